import { setTimeout as sleep } from 'node:timers/promises'
import { certificateAuthority } from '../runtime/database/index.ts'
import { errorFields, createLogger } from '../runtime/logger.ts'
import { migrate } from './migrations/run.ts'

const log = createLogger('migrate')
const url = process.env['DATABASE_URL']
// The database may start beside this job; waiting here is quieter than a job's back-off.
const deadline = Date.now() + 1000 * Number(process.env['MIGRATE_WAIT_SECONDS'] ?? 240)

for (;;) {
  try {
    if (!url)
      throw new Error('DATABASE_URL is not set: give the PostgreSQL primary itself, not a pooler.')
    const made = await migrate(url, certificateAuthority(process.env))
    log.info(
      { made },
      made.length === 0 ? 'the schema is up to date' : 'the schema was brought up to date',
    )
    break
  } catch (error) {
    const waits = url !== undefined && isConnection(error) && Date.now() < deadline
    log[waits ? 'warn' : 'error'](
      errorFields(error),
      waits ? 'waiting for the database' : 'the schema could not be brought up to date',
    )
    if (!waits) process.exit(1)
    await sleep(2_000)
  }
}

function isConnection(error: unknown): boolean {
  const { code = '' } = error as { code?: string }
  return (
    /^(ECONN|ENOTFOUND|EAI_AGAIN|EHOST|ETIMEDOUT|57P0|08)/.test(code) ||
    (error instanceof Error && /timeout|terminated/i.test(error.message))
  )
}
