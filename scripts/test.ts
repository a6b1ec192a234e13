// `npm test [-- --unit | suite…]`: every suite in order, fast ones first, and one closing line with the totals.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { $ } from 'zx'
import { findSuites, leavesCluster, selectSuites, type Suite } from './lib/suites.ts'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const results = join(root, '.cache', 'test-results')

interface Totals {
  passed: number
  failed: number
  skipped: number
}

/** The counts vitest wrote, or one failure where a suite ended without writing any. */
function readTotals(file: string): Totals {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>
    const count = (key: string): number => report[key] ?? 0
    return {
      passed: count('numPassedTests'),
      failed: count('numFailedTests'),
      skipped: count('numPendingTests') + count('numTodoTests'),
    }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

async function runSuite(suite: Suite, keepCluster: boolean): Promise<Totals> {
  const started = Date.now()
  process.stdout.write(`\n── ${suite.name} ──\n`)
  const output = join(results, `${suite.name}.json`)
  rmSync(output, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`]
  const env = keepCluster ? { ...process.env, KEEP_CLUSTER: '1' } : process.env
  const run = await $({ cwd: root, stdio: 'inherit', nothrow: true, env })`npx vitest run --config ${suite.config} ${reporters}`
  const totals = readTotals(output)
  // A suite can fail outside any test: a file that does not load, a hook, an unhandled rejection.
  if (run.exitCode !== 0 && totals.failed === 0) totals.failed = 1
  const seconds = Math.round((Date.now() - started) / 1000)
  process.stdout.write(`${suite.name}: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped in ${seconds} s\n`)
  return totals
}

async function check(): Promise<Totals> {
  process.stdout.write('── check: generated files, types, lint ──\n')
  const run = await $({ cwd: root, stdio: 'inherit', nothrow: true })`npm run --silent check`
  return run.exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 }
}

await main(async () => {
  const args = process.argv.slice(2)
  const suites = selectSuites(findSuites(root), args)
  const whole = args.every((argument) => argument.startsWith('--'))
  mkdirSync(results, { recursive: true })
  const tools = await $({ cwd: root, stdio: 'inherit', nothrow: true })`npm run --silent tools`
  if (tools.exitCode !== 0) throw new UserError('the pinned tools could not be built: see the lines above.')
  const totals: Totals[] = []
  if (whole) totals.push(await check())
  for (const suite of suites) totals.push(await runSuite(suite, leavesCluster(suites, suite)))
  const sum = (key: keyof Totals): number => totals.reduce((all, one) => all + one[key], 0)
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''
  process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}\n`)
  if (sum('failed') > 0) process.exitCode = 1
})
