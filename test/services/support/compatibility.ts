/** What an endpoint did when it was driven. */
export interface Row {
  /** `GET /session`, as the engine's OpenAPI document writes it. */
  endpoint: string
  /** Who answered; `refused` for a 501. */
  by: 'API' | 'worker' | 'refused'
  /** The remark on an answer, or the reason of a refusal. */
  remark: string
}

/** The table of all endpoints: `docs/compatibility.md`. */
export function compatibilityTable(version: string, rows: readonly Row[]): string {
  const sorted = [...rows].sort((a, b) => (pathFirst(a) < pathFirst(b) ? -1 : 1))
  const served = sorted.filter(({ by }) => by !== 'refused')
  const refused = sorted.filter(({ by }) => by === 'refused')
  const count = (by: Row['by']) => rows.filter((row) => row.by === by).length.toString()
  return [
    "# Which of OpenCode's endpoints are served",
    '',
    '<!-- Written by npm run compatibility, which drives every endpoint below against the service and a real engine. Do not edit. -->',
    '',
    `OpenCode ${version} describes ${rows.length.toString()} endpoints in its own OpenAPI document (\`GET /doc\`). ${count('API')} are answered by the API,`,
    `${count('worker')} by a worker that has the session or gets it for the call, and ${count('refused')} are refused with status 501 and a reason.`,
    "A test sends a call to each of them; an answer counts as served only if it has the form that the engine's document gives it.",
    '',
    '## Served',
    '',
    '| endpoint | answered by | |',
    '|---|---|---|',
    ...served.map(({ endpoint, by, remark }) => `| \`${endpoint}\` | ${by} | ${remark} |`),
    '',
    '## Refused',
    '',
    'A call gets a problem document (`application/problem+json`) of type `not-served` with this reason.',
    '',
    '| endpoint | reason |',
    '|---|---|',
    ...refused.map(({ endpoint, remark }) => `| \`${endpoint}\` | ${remark} |`),
    '',
  ].join('\n')
}

/** Sorts an endpoint by its path, then its method. */
function pathFirst({ endpoint }: Row): string {
  return endpoint.split(' ').reverse().join(' ')
}
