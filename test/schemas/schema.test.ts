import { describe, expect, it } from 'vitest'
import { UserError } from '../../scripts/lib/user-error.ts'
import { buildOverlaySchema } from '../../scripts/lib/generate/overlay-schema.ts'
import { checkDefaultTags } from '../../scripts/lib/generate/defaults.ts'
import { SchemaReader } from '../../scripts/lib/generate/describe.ts'
import { buildSchema, visit, type Schema } from '../../scripts/lib/generate/schema.ts'
import { defaults } from '../../values/defaults.ts'
import { overlays } from '../../values/index.ts'
import { root, schemaOf, validator } from './lib.ts'

const schema = buildSchema(root)

describe('the schema of the values', () => {
  it('accepts the defaults', () => {
    const validate = validator(schema)
    validate(defaults)
    expect(validate.errors).toBeNull()
  })

  it('closes every object that has named properties, except global and whole Kubernetes objects', () => {
    const open: string[] = []
    visit(schema, (node, path) => {
      if (node.properties && node.additionalProperties !== false) open.push(path)
    })
    expect(open.sort()).toEqual(['#/definitions/ExtraObject', '#/definitions/Global'])
  })

  it('has no keyword beside a reference, which Helm would ignore', () => {
    const wrong: string[] = []
    visit(schema, (node, path) => {
      if (node.$ref !== undefined && Object.keys(node).length > 1) wrong.push(path)
    })
    expect(wrong).toEqual([])
  })

  it('refers to nothing outside itself', () => {
    visit(schema, (node) => {
      if (node.$ref !== undefined) expect(node.$ref).toMatch(/^#\/definitions\//)
    })
  })

  it('describes every property', () => {
    const silent: string[] = []
    visit(schema, (node, path) => {
      for (const [name, child] of Object.entries(node.properties ?? {}))
        if (!child.description) silent.push(`${path}/${name}`)
    })
    expect(silent).toEqual([])
  })

  it('names the default of every field, save where a type is shared by components that differ', () => {
    const shared = new Set([
      'registry',
      'repository',
      'tag',
      'replicas',
      'minReplicas',
      'maxReplicas',
      'stabilizationWindowSeconds',
      'cpu',
      'memory',
      'ephemeral-storage',
      'initialDelaySeconds',
      'periodSeconds',
      'timeoutSeconds',
      'failureThreshold',
      'preStopSleepSeconds',
      'drainSeconds',
      'terminationGracePeriodSeconds',
      'nodes',
      'zones',
      'size',
      'selectPolicy',
      'storageClass',
      'nodeSelector',
    ])
    const silent = withoutDefault(new SchemaReader(schema), schema, defaults, '').filter(
      (path) => !shared.has(path.split('.').at(-1) ?? ''),
    )
    expect(silent).toEqual([])
  })

  it('keeps the pattern of a named scalar inside lists and maps', () => {
    const validate = validator(schema)
    expect(validate({ ...defaults, imagePullSecrets: ['Not A Name'] })).toBe(false)
    expect(validate({ ...defaults, imagePullSecrets: ['a-name'] })).toBe(true)
    expect(
      validate({ ...defaults, api: { ...defaults.api, extraEnv: { 'not-a-variable': 'x' } } }),
    ).toBe(false)
  })

  it.each([
    ['a misspelt key', { ...defaults, apii: {} }],
    ['a wrong unit', { ...defaults, worker: { ...defaults.worker, tmpSize: '1Gigabyte' } }],
    ['half a pod', { ...defaults, api: { ...defaults.api, replicas: 1.5 } }],
    [
      'half a pod more',
      {
        ...defaults,
        api: { ...defaults.api, rollingUpdate: { maxSurge: 0.5, maxUnavailable: 0 } },
      },
    ],
    [
      'a host with a scheme',
      { ...defaults, hosts: { api: { host: 'https://api.opencode.io', streams: false } } },
    ],
    ['a five-field schedule', withSchedule('0 2 * * *')],
  ])('refuses %s', (_, values) => {
    expect(validator(schema)(values)).toBe(false)
  })

  it('leaves global and enabled to parent charts', () => {
    const validate = validator(schema)
    validate({
      ...defaults,
      enabled: true,
      global: { imageRegistry: 'mirror.example.com', other: { a: 1 } },
    })
    expect(validate.errors).toBeNull()
  })
})

describe('the schema of overlays', () => {
  const validate = validator(buildOverlaySchema(schema))

  it.each(Object.entries(overlays))('accepts %s', (_, overlay) => {
    validate(overlay)
    expect(validate.errors).toBeNull()
  })

  it('lets null take a default away, at any depth', () => {
    expect(validate({ ingress: { clusterIssuer: null }, api: null })).toBe(true)
  })

  it('still refuses a key that does not exist', () => {
    expect(validate({ api: { replica: 3 } })).toBe(false)
  })
})

describe('the generator', () => {
  it('turns an index signature into a map; Record would be a closed, empty object', () => {
    const map = validator(schemaOf('export interface Values { labels: { [key: string]: string } }'))
    expect(map({ labels: { a: 'b' } })).toBe(true)
    expect(map({ labels: { a: 1 } })).toBe(false)
    const record = validator(schemaOf('export interface Values { labels: Record<string, string> }'))
    expect(record({ labels: { a: 'b' } })).toBe(false)
  })

  it('refuses a pattern that Helm cannot compile, naming it', () => {
    const source =
      'export interface Values {\n/**\n * Name.\n * @pattern ^(?!x)\n */\nname: string\n}'
    expect(() => schemaOf(source)).toThrow(UserError)
    expect(() => schemaOf(source)).toThrow('"^(?!x)" at #/properties/name')
  })

  it('refuses a default that is not true, naming both', () => {
    const lying = schemaOf(
      'export interface Values {\n/**\n * Pods.\n * @default 3\n */\nreplicas: number\n}',
    )
    expect(() => {
      checkDefaultTags(lying, { replicas: 2 })
    }).toThrow('replicas: @default 3, value 2')
  })
})

function withSchedule(schedule: string): unknown {
  const { postgres } = defaults
  return {
    ...defaults,
    postgres: {
      ...postgres,
      cnpg: { ...postgres.cnpg, backup: { ...postgres.cnpg.backup, schedule } },
    },
  }
}

/** Paths of scalars and empty collections whose field says no default. */
function withoutDefault(
  reader: SchemaReader,
  node: Schema,
  value: unknown,
  prefix: string,
): string[] {
  if (typeof value !== 'object' || value === null) return []
  return reader.properties(node).flatMap(([key, child]) => {
    const path = prefix ? `${prefix}.${key}` : key
    const present = (value as Record<string, unknown>)[key]
    const leaf =
      typeof present !== 'object' || present === null || Object.keys(present).length === 0
    if (leaf) return present === undefined || 'default' in reader.resolve(child) ? [] : [path]
    return withoutDefault(reader, child, present, path)
  })
}
