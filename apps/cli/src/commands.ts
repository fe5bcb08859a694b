/** Every command, in the order of the help. */
import type { Command } from './command.js'
import { cacheList, cacheRemove } from './commands/cache.js'
import { chat } from './commands/chat.js'
import { convert } from './commands/convert.js'
import { doctor } from './commands/doctor.js'
import { generate } from './commands/generate.js'
import { inspect } from './commands/inspect.js'
import { tokenizerEncode } from './commands/tokenizerEncode.js'
import { tokenizerReport } from './commands/tokenizerReport.js'
import { tokenizerTrain } from './commands/tokenizerTrain.js'
import { trainCommand } from './commands/train.js'

/** What `tarazed` can do. */
export const commands: readonly Command[] = [
  trainCommand,
  chat,
  generate,
  tokenizerTrain,
  tokenizerEncode,
  tokenizerReport,
  convert,
  inspect,
  doctor,
  cacheList,
  cacheRemove,
]
