import { library } from '../../tools/scripts/tsupLibrary.ts'

export default library({ index: 'src/index.ts', 'optim/index': 'src/optim/index.ts' })
