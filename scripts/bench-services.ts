// `npm run bench:services [-- router fan-out llm-stream turn abort]`: what the services cost beside what they are built on, in one run.
// A new engine is started before each turn of the service, so `turn` and `abort` take minutes.
import { loadavg } from 'node:os'
import { startStores, type Stores } from '../test/services/support/api.ts'
import ensureServers from '../test/services/support/setup.ts'
import { benchAbort } from './lib/bench/abort.ts'
import { benchFanOut } from './lib/bench/fan-out.ts'
import { holds, table, type Finding } from './lib/bench/finding.ts'
import { benchLlmStream } from './lib/bench/llm-stream.ts'
import { benchRouter } from './lib/bench/router.ts'
import { benchTurn } from './lib/bench/turn.ts'
import { UserError, main } from './lib/user-error.ts'

/** Runs a bench beside stores of its own. */
const withStores =
  (run: (stores: Stores) => Promise<Finding[]>) => async (): Promise<Finding[]> => {
    const stores = await startStores()
    try {
      return await run(stores)
    } finally {
      await stores.stop()
    }
  }

const benches: Record<string, () => Promise<Finding[]>> = {
  router: benchRouter,
  'fan-out': withStores(benchFanOut),
  'llm-stream': withStores(benchLlmStream),
  turn: withStores(benchTurn),
  abort: withStores(benchAbort),
}

await main(async () => {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => !Object.hasOwn(benches, name))
  if (unknown !== undefined)
    throw new UserError(`no bench named "${unknown}". Known: ${Object.keys(benches).join(', ')}.`)
  ensureServers()
  process.stdout.write(
    `load average at the start: ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')}\n`,
  )
  const findings: Finding[] = []
  for (const [name, bench] of Object.entries(benches)) {
    if (names.length > 0 && !names.includes(name)) continue
    process.stdout.write(`${name} …\n`)
    findings.push(...(await bench()))
  }
  process.stdout.write(`\n${table(findings)}\n`)
  const missed = findings.filter((finding) => !holds(finding))
  if (missed.length > 0) throw new UserError(`missed: ${missed.map(({ what }) => what).join('; ')}`)
})
