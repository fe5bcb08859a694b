/** Every command, in the order of the help. */
import type { Command } from './command.js'
import { doctor } from './commands/doctor.js'
import { generate } from './commands/generate.js'
import { inspect } from './commands/inspect.js'
import { tokenizerEncode } from './commands/tokenizerEncode.js'
import { tokenizerTrain } from './commands/tokenizerTrain.js'

/** What `tarazed` can do. */
export const commands: readonly Command[] = [generate, tokenizerTrain, tokenizerEncode, inspect, doctor]
