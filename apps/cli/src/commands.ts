/** Every command, in the order of the help. */
import type { Command } from './command.js'
import { doctor } from './commands/doctor.js'
import { inspect } from './commands/inspect.js'

/** What `tarazed` can do. */
export const commands: readonly Command[] = [inspect, doctor]
