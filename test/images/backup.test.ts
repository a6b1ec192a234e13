import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { backupStore, backupTools, pluginManifest } from '../../cluster/backup/index.ts'
import { root } from '../../cluster/paths.ts'
import { profileValues } from '../../cluster/profile-values.ts'
import { versions } from '../../cluster/versions.ts'

interface Manifest {
  kind: string
  data?: Record<string, string>
  spec?: { template?: { spec: { containers: { image: string }[] } } }
}

const source = `apiVersion: v1
kind: Secret
metadata: {name: images}
data: {SIDECAR_IMAGE: bW92aW5n}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: barman-cloud}
spec: {template: {spec: {containers: [{name: barman-cloud, image: "ghcr.io/cloudnative-pg/plugin-barman-cloud-testing:main", args: [operator, --leader-elect]}]}}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: barman-cloud-server}
`

it('installs the plugin with released images and without cert-manager', () => {
  const objects = parseAllDocuments(pluginManifest(source)).map(
    (document) => document.toJS() as Manifest,
  )
  expect(objects.map(({ kind }) => kind)).toEqual(['Secret', 'Deployment'])
  const sidecar = Buffer.from(objects[0]?.data?.['SIDECAR_IMAGE'] ?? '', 'base64').toString()
  expect(sidecar).toBe(
    `ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v${versions.barmanPlugin}`,
  )
  const image = objects[1]?.spec?.template?.spec.containers[0]?.image
  expect(image).toBe(`ghcr.io/cloudnative-pg/plugin-barman-cloud:v${versions.barmanPlugin}`)
})

it('runs two plugins that both serve, because no failover happens while none does', () => {
  const [, deployment] = parseAllDocuments(pluginManifest(source)).map(
    (document) => document.toJS() as Manifest,
  )
  expect(deployment?.spec).toMatchObject({
    replicas: 2,
    template: { spec: { containers: [{ args: ['operator'] }] } },
  })
  expect(JSON.stringify(deployment?.spec)).toContain('"tolerationSeconds":30')
})

it('pins the plugin to the version of the table', () => {
  const text = readFileSync(join(root, backupTools[1]?.module ?? '', 'go.mod'), 'utf8')
  expect(text).toContain(`github.com/cloudnative-pg/plugin-barman-cloud v${versions.barmanPlugin} `)
})

it('points the local production profile at the store that it installs', () => {
  const manifest = readFileSync(join(root, 'cluster', 'backup', 'store.yaml'), 'utf8')
  expect(profileValues('production')).toMatchObject({
    postgres: {
      cnpg: {
        backup: {
          enabled: true,
          destinationPath: `s3://${backupStore.bucket}/postgres`,
          endpointURL: backupStore.endpointURL,
        },
      },
    },
  })
  expect(manifest).toContain(`/data/objects/${backupStore.bucket} `)
  expect(manifest).toContain('port: 7070')
  for (const key of Object.values(backupStore.keys)) expect(manifest).toContain(`key: ${key}`)
})
