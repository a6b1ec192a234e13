import type { Overlay } from '../schemas/index.ts'
import { backupStore } from './backup/index.ts'
import type { Profile } from './options.ts'
import { storeImages } from './versions.ts'

/** What a profile changes on a local cluster, over `values/kind.yaml`. */
export function profileValues(profile: Profile): Overlay {
  return profile === 'production' ? production : {}
}

/** PostgreSQL by CloudNativePG as in production, three instances in three zones with synchronous replication, made small. */
const production: Overlay = {
  postgres: {
    mode: 'cnpg',
    cnpg: {
      resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '512Mi' } },
      storage: { size: '1Gi', storageClass: 'standard' },
      parameters: {
        shared_buffers: '64MB',
        effective_cache_size: '192MB',
        maintenance_work_mem: '32MB',
        wal_buffers: '4MB',
        min_wal_size: '80MB',
        max_wal_size: '256MB',
      },
      pooler: { instances: 1 },
      backup: {
        enabled: true,
        destinationPath: `s3://${backupStore.bucket}/postgres`,
        endpointURL: backupStore.endpointURL,
        credentials: {
          accessKeyId: { name: backupStore.secret, key: backupStore.keys.accessKeyId },
          secretAccessKey: { name: backupStore.secret, key: backupStore.keys.secretAccessKey },
        },
      },
      // The version that is built here where no container registry is in reach; CloudNativePG's own default moves with it.
      extraSpec: { imageName: storeImages.cnpgPostgres },
    },
  },
}
