import { library } from '../../tools/scripts/tsupLibrary.ts'

export default library({ index: 'src/index.ts', 'testing/index': 'src/testing/index.ts' })
