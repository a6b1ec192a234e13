import { sql as sessions } from './0001-sessions.ts'
import { sql as forks } from './0002-forks.ts'
import { sql as turnMethod } from './0003-turn-method.ts'
import { sql as project } from './0004-project.ts'
import { sql as prompts } from './0005-prompts.ts'
import { sql as people } from './0006-people.ts'
import { sql as sandboxes } from './0007-sandboxes.ts'
import { sql as snapshots } from './0008-snapshots.ts'

/** One step of the schema. Steps are only ever added: the previous version of the service runs beside the new schema. */
export interface Migration {
  version: number
  name: string
  sql: string
}

/** All steps, oldest first. */
export const migrations: readonly Migration[] = [
  { version: 1, name: 'sessions', sql: sessions },
  { version: 2, name: 'forks', sql: forks },
  { version: 3, name: 'turn-method', sql: turnMethod },
  { version: 4, name: 'project', sql: project },
  { version: 5, name: 'prompts', sql: prompts },
  { version: 6, name: 'people', sql: people },
  { version: 7, name: 'sandboxes', sql: sandboxes },
  { version: 8, name: 'snapshots', sql: snapshots },
]

/** The version this build of the API needs. */
export const schemaVersion = Math.max(...migrations.map(({ version }) => version))
