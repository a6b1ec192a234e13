// `npm run lint:chart`: what `ct lint` does, with the same ct.yaml, where ct is not installed.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readChartTesting } from './lib/lint-chart/config.ts'
import { lintChart } from './lib/lint-chart/lint.ts'
import { pythonPrograms } from './lib/lint-chart/python.ts'
import { UserError, main } from './lib/user-error.ts'
import { cliTools, ensureTools } from '../cluster/tools.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

await main(async () => {
  const unknown = process.argv[2]
  if (unknown !== undefined)
    throw new UserError(`unknown argument "${unknown}". npm run lint:chart takes none.`)
  const report = (line: string): void => {
    process.stdout.write(`${line}\n`)
  }
  const config = readChartTesting(join(root, 'ct.yaml'))
  await ensureTools(
    cliTools.filter(({ name }) => name.startsWith('helm')),
    report,
  )
  const python = await pythonPrograms(root, report)
  const problems: string[] = []
  for (const chart of config.charts)
    problems.push(...(await lintChart(chart, config, { root, python, report })))
  for (const problem of problems) process.stderr.write(`\n${problem}\n`)
  if (problems.length > 0)
    throw new UserError(
      `${problems.length.toString()} of chart-testing's checks failed: see above.`,
    )
  report('charts are clean')
})
