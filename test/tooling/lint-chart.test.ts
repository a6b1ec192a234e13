import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { $ } from 'zx'
import { readChartTesting, type ChartTesting } from '../../scripts/lib/lint-chart/config.ts'
import { ciFiles, lintChart } from '../../scripts/lib/lint-chart/lint.ts'
import { pythonPrograms } from '../../scripts/lib/lint-chart/python.ts'
import { isHigher } from '../../scripts/lib/lint-chart/version.ts'

const root = join(import.meta.dirname, '..', '..')
const config = readChartTesting(join(root, 'ct.yaml'))
let python = ''

beforeAll(async () => {
  python = await pythonPrograms(root, () => undefined)
})

const lint = (folder: string, over: Partial<ChartTesting> = {}): Promise<string[]> =>
  lintChart('chart', { ...config, ...over }, { root: folder, python, report: () => undefined })

/** A copy of what ct reads, to be broken; no git repository. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'opencode-lint-'))
  for (const name of ['chart', '.github'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  return folder
}

function change(folder: string, file: string, edit: (text: string) => string): string {
  const path = join(folder, file)
  writeFileSync(path, edit(readFileSync(path, 'utf8')))
  return folder
}

test('the chart is clean, with every values file of chart/ci', async () => {
  expect(ciFiles(join(root, 'chart')).length).toBeGreaterThan(1)
  expect(await lint(root, { checkVersionIncrement: false })).toEqual([])
})

describe('what ct would refuse', () => {
  test.each([
    [
      'a Chart.yaml without a description',
      'chart/Chart.yaml',
      (text: string) => text.replace(/^description: .*$/m, ''),
      'description: Required field missing',
    ],
    [
      'trailing spaces',
      'chart/Chart.yaml',
      (text: string) => text.replace('apiVersion: v2', 'apiVersion: v2 '),
      'trailing-spaces',
    ],
    [
      'a duplicate key',
      'chart/ci/kind-values.yaml',
      (text: string) => `${text}region: twice\n`,
      'key-duplicates',
    ],
    [
      'values that the schema refuses',
      'chart/ci/kind-values.yaml',
      (text: string) => text.replace('region: local', 'region: Local'),
      'region',
    ],
    [
      'a template that does not parse',
      'chart/templates/api/service.yaml',
      (text: string) => `${text}{{ if }}\n`,
      'missing value for if',
    ],
  ])('%s', async (_, file, edit, words) => {
    expect((await lint(change(copy(), file, edit))).join('\n')).toContain(words)
  })

  test('a changed chart with the version of the target branch', async () => {
    const folder = copy()
    const git = $({ cwd: folder, quiet: true })
    await git`git init --quiet --initial-branch main`
    await git`git add --all`
    await git`git -c user.name=test -c user.email=test@example.com commit --quiet --message base`
    await git`git update-ref refs/remotes/origin/main HEAD`
    const versions = async (): Promise<string[]> =>
      (await lint(folder)).filter((line) => line.includes('Raise it'))
    expect(await versions()).toEqual([])
    change(folder, 'chart/values.yaml', (text) => `${text}# changed\n`)
    expect(await versions()).toEqual([
      'chart/Chart.yaml: version is 0.1.0, on origin/main it is 0.1.0, and the chart has changed. Raise it.',
    ])
    change(folder, 'chart/Chart.yaml', (text) => text.replace(/^version: .*$/m, 'version: 0.1.1'))
    expect(await versions()).toEqual([])
  })
})

test.each([
  ['1.0.1', '1.0.0'],
  ['1.10.0', '1.9.9'],
  ['2.0.0', '2.0.0-rc.1'],
  ['2.0.0-rc.10', '2.0.0-rc.9'],
  ['0.1.0', '0.0.99'],
])('%s is higher than %s', (higher, lower) => {
  expect([isHigher(higher, lower), isHigher(lower, higher), isHigher(higher, higher)]).toEqual([
    true,
    false,
    false,
  ])
})

describe('ct.yaml', () => {
  const file = (text: string): string => {
    const path = join(mkdtempSync(join(tmpdir(), 'opencode-ct-')), 'ct.yaml')
    writeFileSync(path, text)
    return path
  }
  const good = readFileSync(join(root, 'ct.yaml'), 'utf8')

  test('a key that ct knows and the script does not is named', () => {
    const path = file(`${good}chart-repos: []\n`)
    expect(() => readChartTesting(path)).toThrow(
      `${path}: npm run lint:chart does not know "chart-repos".`,
    )
  })

  test('a key of the wrong type is named, with what to set', () => {
    const path = file(good.replace('charts: [chart]', 'charts: chart'))
    expect(() => readChartTesting(path)).toThrow(
      `${path}: "charts" is "chart". Set it to a list of chart folders.`,
    )
  })
})
