// `npm test [-- --unit | suite…]`: every suite in order, fast ones first, and one closing line with the totals.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { $ } from 'zx'
import { findSuites, leavesCluster, selectSuites, type Suite } from './lib/suites.ts'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const results = join(root, '.cache', 'test-results')

interface Totals {
  passed: number
  failed: number
  skipped: number
  /** What failed, a line each, for the end of a long log. */
  failures: string[]
}

/** The part of vitest's JSON report that is read here (the shape is Jest's). */
interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: {
    name: string
    message: string
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[]
  }[]
}

/** The counts and failures that vitest wrote, or one failure where a suite ended without writing any. */
function readTotals(suite: Suite, file: string): Totals {
  let report: Report
  try {
    report = JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: [`${suite.name}: it ended without a report`],
    }
  }
  const failures = report.testResults.flatMap(({ name, message, assertionResults }) => {
    const of = `${suite.name}: ${relative(join(root, 'test', suite.name), name)}`
    const tests = assertionResults.filter(({ status }) => status === 'failed')
    const lines = tests.map(
      ({ fullName, failureMessages }) =>
        `${of}: ${fullName.trim()}\n${indent(failureMessages.join('\n'))}`,
    )
    return message === '' ? lines : [...lines, `${of}\n${indent(message)}`]
  })
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
    failures,
  }
}

/** The first lines of a failure, indented. */
function indent(text: string): string {
  return stripVTControlCharacters(text)
    .split('\n')
    .slice(0, 12)
    .map((line) => `    ${line}`)
    .join('\n')
}

async function runSuite(suite: Suite, keepCluster: boolean): Promise<Totals> {
  const started = Date.now()
  process.stdout.write(`\n── ${suite.name} ──\n`)
  const output = join(results, `${suite.name}.json`)
  rmSync(output, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`]
  const env = keepCluster ? { ...process.env, KEEP_CLUSTER: '1' } : process.env
  const run = await $({
    cwd: root,
    stdio: 'inherit',
    nothrow: true,
    env,
  })`npx vitest run --config ${suite.config} ${reporters}`
  const totals = readTotals(suite, output)
  // A suite can fail outside any test: a file that does not load, a hook, an unhandled rejection.
  if (run.exitCode !== 0 && totals.failed === 0) {
    totals.failed = 1
    if (totals.failures.length === 0)
      totals.failures.push(`${suite.name}: it failed outside any test, see its output above`)
  }
  const seconds = Math.round((Date.now() - started) / 1000)
  process.stdout.write(
    `${suite.name}: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped in ${seconds} s\n`,
  )
  return totals
}

async function check(): Promise<Totals> {
  process.stdout.write('── check: generated files, types, lint ──\n')
  const run = await $({ cwd: root, stdio: 'inherit', nothrow: true })`npm run --silent check`
  return run.exitCode === 0
    ? { passed: 1, failed: 0, skipped: 0, failures: [] }
    : { passed: 0, failed: 1, skipped: 0, failures: ['check: see its output at the top'] }
}

await main(async () => {
  const args = process.argv.slice(2)
  const suites = selectSuites(findSuites(root), args)
  const whole = args.every((argument) => argument.startsWith('--'))
  mkdirSync(results, { recursive: true })
  const tools = await $({ cwd: root, stdio: 'inherit', nothrow: true })`npm run --silent tools`
  if (tools.exitCode !== 0)
    throw new UserError('the pinned tools could not be built: see the lines above.')
  const totals: Totals[] = []
  if (whole) totals.push(await check())
  for (const suite of suites) totals.push(await runSuite(suite, leavesCluster(suites, suite)))
  const failures = totals.flatMap((one) => one.failures)
  if (failures.length > 0) process.stdout.write(`\n── failed ──\n${failures.join('\n')}\n`)
  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    totals.reduce((all, one) => all + one[key], 0)
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''
  process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}\n`)
  if (sum('failed') > 0) process.exitCode = 1
})
