import { library } from '../../tools/scripts/tsupLibrary.ts'

export default library({ main: 'src/main.ts' }, { platform: 'node', dts: false })
