// `npm run golden [-- case… --update]`: says which golden cases differ from what the chart renders now, or accepts it.
import { isDeepStrictEqual } from 'node:util'
import { cases } from '../test/chart/cases.ts'
import {
  orphans,
  produce,
  readGolden,
  removeGolden,
  writeGolden,
} from '../test/chart/lib/golden.ts'
import { UserError, main } from './lib/user-error.ts'

await main(async () => {
  const args = process.argv.slice(2)
  const unknown = args.find((argument) => argument.startsWith('-') && argument !== '--update')
  if (unknown !== undefined)
    throw new UserError(`unknown option "${unknown}". Known: --update, and names of cases.`)
  const update = args.includes('--update')
  const names = args.filter((argument) => argument !== '--update')
  const good = cases.filter((candidate) => !candidate.expectedError)
  for (const name of names) {
    if (!good.some((one) => one.name === name))
      throw new UserError(
        `no golden case named "${name}". Known: ${good.map((one) => one.name).join(', ')}.`,
      )
  }
  const stale: string[] = []
  for (const one of good.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const golden = await produce(one, 'helm4')
    const before = readGolden(one.name)
    const keys = new Set([...Object.keys(golden), ...Object.keys(before)])
    const changed = [...keys].filter((key) => !isDeepStrictEqual(golden[key], before[key]))
    if (changed.length === 0) continue
    stale.push(one.name)
    process.stdout.write(`${one.name}: ${changed.join(', ')}\n`)
    if (update) writeGolden(one.name, golden)
  }
  for (const name of orphans()) {
    stale.push(name)
    process.stdout.write(`${name}: no such case\n`)
    if (update) removeGolden(name)
  }
  process.stdout.write(
    `${stale.length} of ${names.length || good.length} cases ${update ? 'updated' : 'differ'}\n`,
  )
  if (!update && stale.length > 0)
    throw new UserError('the chart renders something else: npm run golden -- --update accepts it.')
})
