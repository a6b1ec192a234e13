import type { Database } from '../runtime/database/index.ts'
import type { LlmUsage } from './llm/proxy.ts'

/** Adds a call's tokens to the tenant's account of the day. */
export async function recordUsage(
  database: Database,
  { tenant, provider, model, tokens }: LlmUsage,
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
