import { library } from '../../tools/scripts/tsupLibrary.ts'

export default library({
  index: 'src/index.ts',
  node: 'src/node.ts',
  hub: 'src/hub.ts',
  hubBrowser: 'src/hubBrowser.ts',
})
