import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { $ } from 'zx'
import { earlierCharts } from '../cluster/lib/charts.ts'
import { root } from './lib/paths.ts'
import { render } from './lib/render.ts'

/** What a values file says of credentials. */
interface Given {
  generate?: boolean
  tickets?: object
}

const folder = mkdtempSync(join(tmpdir(), 'opencode-stored-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** What "Before you upgrade" in CHANGELOG.md asks for, where credentials come from elsewhere. */
const asked = {
  credentials: { tickets: { existingSecret: 'tickets', existingConfigMap: 'tickets' } },
}

/**
 * What `helm upgrade --reset-then-reuse-values` does: the values that users gave to the earlier chart, which the release stores,
 * over the defaults of this one. Values that are refused belong in CHANGELOG.md under "Before you upgrade".
 */
describe.each(await earlierCharts())('values given to $name', ({ commit }) => {
  test('are accepted by this chart', async () => {
    const target = join(folder, commit)
    await $({ quiet: true, cwd: root })`mkdir ${target}`
    await $({ quiet: true, cwd: root })`git archive ${commit} values chart | tar -x -C ${target}`
    const files = ['values', 'chart/ci']
      .map((place) => join(target, place))
      .filter((place) => existsSync(place))
      .flatMap((place) =>
        readdirSync(place)
          .filter((name) => name.endsWith('.yaml'))
          .map((name) => join(place, name)),
      )
    expect(files.length).toBeGreaterThan(2)
    for (const file of files) {
      const { credentials } = parse(readFileSync(file, 'utf8')) as { credentials?: Given }
      const isAsked = credentials?.generate === false && credentials.tickets === undefined
      const objects = await render('helm4', {
        files: [file],
        ...(isAsked ? { values: asked } : {}),
      })
      expect(objects.length, file).toBeGreaterThan(20)
    }
  })
})
