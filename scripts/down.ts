// `npm run down [-- --name NAME | --region REGION] [--all]`: removes what `npm run up` made.
import { parseDownOptions } from '../cluster/options.ts'
import { createProgress } from '../cluster/progress.ts'
import { tearDown } from '../cluster/tear-down.ts'
import { main } from './lib/user-error.ts'

await main(() => tearDown(parseDownOptions(process.argv.slice(2)), createProgress()))
