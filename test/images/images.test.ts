import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  appVersion,
  ownImages,
  ownRef,
  proxyArguments,
  standIns,
} from '../../cluster/images/index.ts'
import { splitRef } from '../../cluster/images/publish.ts'
import { root } from '../../cluster/paths.ts'
import { storeImages } from '../../cluster/versions.ts'

interface Image {
  registry: string
  repository: string
  tag?: string
}

/** Every image that the chart names without any values, as a reference. */
function chartImages(): string[] {
  const images: string[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { registry, repository, tag } = node as Partial<Image>
    if (registry !== undefined && repository !== undefined)
      images.push(`${registry}/${repository}:${tag ?? appVersion()}`)
    Object.values(node).forEach(visit)
  }
  visit(parse(readFileSync(join(root, 'chart', 'values.yaml'), 'utf8')))
  return images
}

const dockerfiles = [
  ...readdirSync(join(root, 'cluster', 'images')).map((name) =>
    join('cluster', 'images', name, 'Dockerfile'),
  ),
  ...ownImages.map(({ component }) => join('services', component, 'Dockerfile')),
].filter((path) => existsSync(join(root, path)))

describe('references', () => {
  it("of the own and the embedded stores' images are those that the chart names", () => {
    const built = [
      ...ownImages.map(({ component }) => ownRef(component)),
      storeImages.postgres,
      storeImages.redis,
      storeImages.pgbouncer,
    ]
    expect(chartImages()).toEqual(expect.arrayContaining(built))
  })

  it('keep their path and tag in the local registry', () => {
    expect(splitRef('docker.io/library/redis:8.0.4-bookworm')).toEqual({
      path: 'library/redis',
      tag: '8.0.4-bookworm',
    })
    expect(splitRef('ghcr.io/opencode/api:0.1.0')).toEqual({ path: 'opencode/api', tag: '0.1.0' })
  })

  it('are each built once', () => {
    const refs = standIns.flatMap((image) => [...image.refs])
    expect(new Set(refs).size).toBe(refs.length)
  })

  it("of the application are of the chart's version", () => {
    const chart = parse(readFileSync(join(root, 'chart', 'Chart.yaml'), 'utf8')) as {
      appVersion: string
    }
    expect(ownRef('api')).toBe(`ghcr.io/opencode/api:${chart.appVersion}`)
  })
})

describe.each(dockerfiles)('%s', (path) => {
  const text = readFileSync(join(root, path), 'utf8')

  it('is built on the base that it is given', () => {
    expect(text).toMatch(/^ARG BASE(=\S+)?$/m)
    expect(text.match(/^FROM .*/gm)).toEqual(['FROM ${BASE}'])
  })

  it("needs nothing that Docker's classic builder lacks", () => {
    expect(text).not.toMatch(/--(chmod|mount|link)\b|<<[A-Z]/)
  })

  it('leaves no package lists behind', () => {
    if (text.includes('apt-get')) expect(text).toContain('rm -rf')
    expect(text.match(/apt-get update/g)?.length ?? 0).toBeLessThanOrEqual(1)
  })
})

describe('user of', () => {
  const user = (path: string): string | undefined =>
    /^USER (\d+)(?::\d+)?\n(?![\s\S]*^USER)/m.exec(readFileSync(join(root, path), 'utf8'))?.[1]

  it.each([
    ['services/api/Dockerfile', '10001'],
    ['services/websocket/Dockerfile', '10001'],
    ['services/worker/Dockerfile', '10001'],
    ['services/sandbox/Dockerfile', '10001'],
    ['cluster/images/postgres/Dockerfile', '999'],
    ['cluster/images/redis/Dockerfile', '999'],
    ['cluster/images/pgbouncer/Dockerfile', '998'],
    ['cluster/images/cnpg-postgres/Dockerfile', '26'],
  ])('%s is the number %s: runAsNonRoot cannot judge a name', (path, expected) => {
    expect(user(path)).toBe(expected)
  })
})

describe('proxyArguments', () => {
  it('hands on the names of what is set, never the values', () => {
    expect(proxyArguments({ http_proxy: 'http://user:secret@proxy', NO_PROXY: '' })).toEqual([
      '--build-arg',
      'http_proxy',
    ])
  })
})
