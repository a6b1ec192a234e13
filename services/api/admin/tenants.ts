import { audit } from '../../runtime/people/audit.ts'
import { listAudit } from '../store/audit.ts'
import { listSessions } from '../store/session-list.ts'
import { configureTenant, createTenant, listTenants, setSuspended } from '../store/tenants.ts'
import { listUsage } from '../store/usage.ts'
import { operator, table, tenantName, UsageError, type Command } from './command.ts'

const rows = (data: readonly object[], none: string) => ({
  text: table(data as readonly Record<string, unknown>[], none),
  data,
})

const unknown = (tenant: string) =>
  new UsageError(`there is no tenant "${tenant}": see "admin tenants list"`)

/** Commands for tenants, and for looking at what they do. */
export const tenantCommands: Readonly<Record<string, Command>> = {
  'tenants list': {
    usage: 'tenants list',
    summary: 'All tenants.',
    options: {},
    run: async ({ database }) => rows(await listTenants(database), 'no tenants'),
  },
  'tenants create': {
    usage: 'tenants create TENANT',
    summary: 'Makes a tenant; one that is there stays as it is.',
    options: {},
    words: 1,
    async run({ database }, given) {
      const tenant = tenantName(given.word('tenant'))
      const created = await database.transaction(async (tx) => {
        const isNew = await createTenant(tx, tenant)
        if (isNew) await audit(tx, { tenant, actor: operator, action: 'tenant-create' })
        return isNew
      })
      const text = created ? `tenant ${tenant} is made` : `tenant ${tenant} was there already`
      return { text, data: { tenant, created } }
    },
  },
  'tenants configure': {
    usage: `tenants configure TENANT --config '{"permission": {"bash": "ask"}}'`,
    summary:
      "Sets a tenant's policy for the engine, as docs/services.md describes it; {} is the default.",
    options: { config: { type: 'string' } },
    words: 1,
    async run({ database }, given) {
      const tenant = tenantName(given.word('tenant'))
      const text = given.required('config')
      const config = objectOf(text)
      await database.transaction(async (tx) => {
        if (!(await configureTenant(tx, tenant, config))) throw unknown(tenant)
        await audit(tx, { tenant, actor: operator, action: 'tenant-configure' })
      })
      return { text: `tenant ${tenant} is configured`, data: { tenant, config } }
    },
  },
  'tenants suspend': suspending(true),
  'tenants resume': suspending(false),
  'sessions list': {
    usage: 'sessions list --tenant TENANT [--user USER] [--limit 100]',
    summary: 'Sessions of a tenant, those that changed last first; without their contents.',
    options: { tenant: { type: 'string' }, user: { type: 'string' }, limit: { type: 'string' } },
    async run({ database }, given) {
      const filter = { tenant: given.tenant(), user: given.text('user') }
      return rows(
        await listSessions(database, { ...filter, limit: given.whole('limit', 100, 10_000) }),
        'no sessions',
      )
    },
  },
  usage: {
    usage: 'usage [--tenant TENANT] [--days 30]',
    summary: 'Tokens by tenant, day and model.',
    options: { tenant: { type: 'string' }, days: { type: 'string' } },
    async run({ database }, given) {
      const filter = { tenant: given.text('tenant'), days: given.whole('days', 30, 3_650) }
      return rows(await listUsage(database, filter), 'no usage')
    },
  },
  audit: {
    usage: 'audit [--tenant TENANT] [--limit 100]',
    summary: 'What was done, newest first; with --output json for programs.',
    options: { tenant: { type: 'string' }, limit: { type: 'string' } },
    async run({ database }, given) {
      const filter = { tenant: given.text('tenant'), limit: given.whole('limit', 100, 100_000) }
      return rows(await listAudit(database, filter), 'no entries')
    },
  },
}

function suspending(suspended: boolean): Command {
  const verb = suspended ? 'suspend' : 'resume'
  return {
    usage: `tenants ${verb} TENANT`,
    summary: suspended
      ? 'Shuts all people of a tenant out; open streams end within 15 s. Nothing is deleted.'
      : "Lets a tenant's people in again.",
    options: {},
    words: 1,
    async run({ database }, given) {
      const tenant = tenantName(given.word('tenant'))
      await database.transaction(async (tx) => {
        if (!(await setSuspended(tx, tenant, suspended))) throw unknown(tenant)
        await audit(tx, { tenant, actor: operator, action: `tenant-${verb}` })
      })
      return {
        text: `tenant ${tenant} is ${suspended ? 'suspended' : 'active'}`,
        data: { tenant, suspended },
      }
    },
  }
}

/** @throws UsageError when the text is no JSON object */
function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw new UsageError(`--config is no JSON object: ${text.slice(0, 80)}`)
}
