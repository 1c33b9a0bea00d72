import { library } from '../../tsdown.shared.ts'

export default library({ entry: ['src/index.ts', 'src/browser.ts', 'src/node.ts', 'src/report.ts'] })
