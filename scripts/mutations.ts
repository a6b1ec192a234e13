// `npm run mutations [-- WORDS]`: takes the protections behind the services' named cases away, one at a time, in a copy of the last
// commit, and fails where the case does not. With words only those whose promise has them. Takes a minute each.
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { $ } from 'zx'
import { mutations, type Mutation } from '../test/services/support/mutations.ts'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const copy = join(root, '.cache', 'mutations')

/** A working tree of the last commit, with this one's dependencies. */
async function makeCopy(): Promise<void> {
  const git = $({ cwd: root, quiet: true })
  if (existsSync(copy)) await git`git worktree remove --force ${copy}`
  await git`git worktree prune`
  await git`git worktree add --detach ${copy} HEAD`
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
}

/** Runs one case. @returns whether it passed, and how many cases ran */
async function holds({ test, name }: Mutation): Promise<{ passed: boolean; ran: number }> {
  const report = join(copy, 'report.json')
  const options = [
    '--config',
    'test/services/vitest.config.ts',
    test,
    '--testNamePattern',
    pattern(name),
    '--reporter=json',
    `--outputFile=${report}`,
  ]
  const run = await $({ cwd: copy, quiet: true, nothrow: true })`npx vitest run ${options}`
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
    numPassedTests: number
    numFailedTests: number
  }
  return { passed: run.exitCode === 0, ran: numPassedTests + numFailedTests }
}

/** A regular expression for the part of a case's name; vitest joins the names with spaces. */
function pattern(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Tries one mutation. @returns what is wrong, if anything */
async function attempt(mutation: Mutation): Promise<string | undefined> {
  const file = join(copy, mutation.file)
  const source = readFileSync(file, 'utf8')
  if (source.split(mutation.from).length !== 2)
    return `"${mutation.from.slice(0, 60)}" is not once in ${mutation.file}: bring the mutation up to date`
  writeFileSync(
    file,
    source.replace(mutation.from, () => mutation.to),
  )
  try {
    const { passed, ran } = await holds(mutation)
    if (ran === 0) return `no case of ${mutation.test} has "${mutation.name}" in its name`
    return passed
      ? `the case "${mutation.name}" of ${mutation.test} passes all the same`
      : undefined
  } finally {
    writeFileSync(file, source)
  }
}

await main(async () => {
  const words = process.argv.slice(2).join(' ')
  const chosen = mutations.filter(({ breaks }) => breaks.includes(words))
  if (chosen.length === 0)
    throw new UserError(
      `no mutation breaks "${words}". Known: ${mutations.map(({ breaks }) => breaks).join('; ')}.`,
    )
  await makeCopy()
  const problems: string[] = []
  for (const mutation of chosen) {
    const started = Date.now()
    const problem = await attempt(mutation)
    const seconds = Math.round((Date.now() - started) / 1000)
    process.stdout.write(
      `${problem === undefined ? 'noticed' : 'MISSED '}  ${mutation.breaks} (${mutation.test}, ${seconds} s)\n`,
    )
    if (problem !== undefined) problems.push(`${mutation.breaks}: ${problem}`)
  }
  await $({ cwd: root, quiet: true })`git worktree remove --force ${copy}`
  if (problems.length > 0) throw new UserError(problems.join('\n'))
})
