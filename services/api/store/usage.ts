import type { Database, Queryable } from '../../runtime/database/index.ts'

/** What tokens are counted by. */
export type TokenType = 'input' | 'output' | 'cache_read' | 'cache_write' | 'reasoning'

/** Tokens of one model call. */
export interface ModelUsage {
  tenant: string
  provider: string
  model: string
  /** By type; a type that the provider did not report is absent. */
  tokens: Partial<Record<TokenType, number>>
}

/** Adds a call's tokens to the tenant's account of the day. */
export async function recordUsage(
  database: Database,
  { tenant, provider, model, tokens }: ModelUsage,
): Promise<void> {
  const entries = Object.entries(tokens).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  )
  await database.query(
    `INSERT INTO usage (tenant, provider, model, type, day, tokens)
     SELECT $1, $2, $3, type, (now() AT TIME ZONE 'UTC')::date, tokens FROM unnest($4::text[], $5::bigint[]) AS t (type, tokens)
     ON CONFLICT (tenant, day, provider, model, type) DO UPDATE SET tokens = usage.tokens + excluded.tokens`,
    [
      tenant,
      provider,
      model,
      entries.map(([type]) => type),
      entries.map(([, count]) => Math.round(count)),
    ],
  )
}

/** Tokens of a tenant's day with one model. */
export interface UsageRecord {
  tenant: string
  day: string
  provider: string
  model: string
  type: TokenType
  tokens: string
}

/** Tokens of the last so many days, newest first. */
export async function listUsage(
  database: Queryable,
  { tenant, days }: { tenant?: string | undefined; days: number },
): Promise<UsageRecord[]> {
  const { rows } = await database.query<UsageRecord>(
    `SELECT tenant, day::text, provider, model, type, tokens FROM usage
     WHERE ($1::text IS NULL OR tenant = $1) AND day > (now() AT TIME ZONE 'UTC')::date - $2::int
     ORDER BY day DESC, tenant, provider, model, type`,
    [tenant ?? null, days],
  )
  return rows
}
