import { budgetOf, type Drill } from './drill.ts'
import type { DrillResult } from './run-drill.ts'
import { timeline } from './timeline.ts'
import type { Measurement } from './verdict.ts'

/** Versions and machine that the figures were taken on. */
export interface Environment {
  readonly [name: string]: string
}

/** The worst run of a drill counts, figure by figure. */
export interface Row {
  readonly drill: Drill
  readonly runs: number
  readonly worst: readonly Measurement[]
  /** Longest gap of each run in seconds, for each entry of `worst`. */
  readonly gaps: readonly (readonly number[])[]
  readonly stream: { readonly missing: number; readonly repeated: number }
  readonly violations: readonly string[]
}

/** What a drill came to: a control has to miss its budget. */
export type Verdict = 'holds' | 'missed' | 'missed, as it must' | 'held, and must not'

/** The verdict of a drill's row. */
export function verdict({ drill, violations }: Pick<Row, 'drill' | 'violations'>): Verdict {
  if (drill.control === true)
    return violations.length > 0 ? 'missed, as it must' : 'held, and must not'
  return violations.length > 0 ? 'missed' : 'holds'
}

/** Whether a drill came out as it should. */
export function passed(row: Pick<Row, 'drill' | 'violations'>): boolean {
  return ['holds', 'missed, as it must'].includes(verdict(row))
}

const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

/** The figures of one kind of load, a run each. */
function ofKind(results: readonly DrillResult[], kind: Measurement['kind']): Measurement[] {
  return results.flatMap((result) => result.measurements.filter((one) => one.kind === kind))
}

function worst(results: readonly DrillResult[]): Measurement[] {
  const kinds = [
    ...new Set(results.flatMap((result) => result.measurements.map((one) => one.kind))),
  ]
  return kinds.map((kind) => {
    const mine = ofKind(results, kind)
    const most = (key: Exclude<keyof Measurement, 'kind'>): number =>
      Math.max(...mine.map((one) => one[key]))
    return {
      kind,
      attempts: most('attempts'),
      failed: most('failed'),
      rtoSeconds: most('rtoSeconds'),
      lastFailureSeconds: most('lastFailureSeconds'),
      steadySeconds: most('steadySeconds'),
      missing: most('missing'),
      rpoSeconds: most('rpoSeconds'),
      duplicates: most('duplicates'),
    }
  })
}

/** One row a drill, in the order of the catalogue. */
export function rows(drills: readonly Drill[], results: readonly DrillResult[]): Row[] {
  return drills.flatMap((drill) => {
    const mine = results.filter((result) => result.drill === drill.name)
    if (mine.length === 0) return []
    const most = (key: 'missing' | 'repeated'): number =>
      Math.max(...mine.map((result) => result.stream[key]))
    const figures = worst(mine)
    return [
      {
        drill,
        runs: mine.length,
        worst: figures,
        gaps: figures.map(({ kind }) => ofKind(mine, kind).map((one) => one.rtoSeconds)),
        stream: { missing: most('missing'), repeated: most('repeated') },
        violations: [...new Set(mine.flatMap((result) => result.violations))],
      },
    ]
  })
}

const header = [
  'Drill',
  'Fails',
  'Runs',
  'Load',
  'Requests',
  'Failed',
  'Longest gap',
  'of each run',
  'RTO allowed',
  'Last failure',
  'Lost',
  'RPO',
  'RPO allowed',
  'Twice',
  'Events lost',
  'Verdict',
]

/** A time in the unit that people read it in. */
function time(seconds: number): string {
  return seconds < 120 || seconds % 60 !== 0
    ? `${Number(seconds.toFixed(1))} s`
    : `${seconds / 60} min`
}

function cells(row: Row): string[][] {
  return row.worst.map((one, index) => {
    const first = (text: string): string => (index === 0 ? text : '')
    const budget = budgetOf(row.drill, one.kind)
    return [
      first(row.drill.title),
      first(row.drill.component),
      first(String(row.runs)),
      one.kind,
      String(one.attempts),
      String(one.failed),
      `${one.rtoSeconds.toFixed(1)} s`,
      (row.gaps[index] ?? []).map((gap) => gap.toFixed(1)).join(', '),
      time(budget.rtoSeconds),
      one.lastFailureSeconds === 0 ? '' : `${one.lastFailureSeconds.toFixed(1)} s`,
      String(one.missing),
      time(one.rpoSeconds),
      time(budget.rpoSeconds),
      String(one.duplicates),
      first(String(row.stream.missing)),
      first(verdict(row)),
    ]
  })
}

/** Why a figure differs from the document's table, and what was missed, one line each. */
function notes(table: readonly Row[]): string[] {
  return table.flatMap((row) => [
    ...exceptionNotes(row),
    ...row.violations.map((reason) => `${row.drill.title}: ${reason.split('\n')[0] ?? ''}.`),
  ])
}

function exceptionNotes({ drill, worst: figures }: Row): string[] {
  const listed = Object.entries(drill.exceptions ?? {}).map(([kind, exception]) => ({
    kind,
    ...exception,
  }))
  const reasons = [...new Set(listed.map(({ why }) => why))]
  return reasons.map((why) => {
    const kinds = listed.filter((one) => one.why === why)
    const measured = kinds.map(({ kind, rtoSeconds }) => {
      const found = figures.find((one) => one.kind === kind)
      return `${kind}s ${found === undefined ? 'not measured' : `${found.rtoSeconds.toFixed(1)} s`}, ${rtoSeconds} s allowed`
    })
    return `${drill.title}: the document's target cannot hold as written for the ${drill.component} (${measured.join('; ')}): ${why}.`
  })
}

/** The summary that is committed, in Markdown. */
export function markdown(
  drills: readonly Drill[],
  results: readonly DrillResult[],
  environment: Environment,
): string {
  const table = rows(drills, results)
  const missing = drills.filter((drill) => !table.some((row) => row.drill.name === drill.name))
  const lines = [header, header.map(() => '---'), ...table.flatMap(cells)].map(
    (line) => `| ${line.join(' | ')} |`,
  )
  return [
    '<!-- written by npm run drill: do not edit -->',
    '# Recovery, measured',
    '',
    `${definitions} What each drill does by hand: [runbooks/drills](runbooks/drills).`,
    '',
    ...lines,
    '',
    ...notes(table).map((note) => `- ${note}`),
    ...(missing.length === 0
      ? []
      : ['', `Not run: ${missing.map((drill) => drill.title).join('; ')}.`]),
    '',
    '## Measured on',
    '',
    ...Object.entries(environment).map(([name, value]) => `- ${name}: ${value}`),
    '',
  ].join('\n')
}

const definitions =
  'Clients outside the cluster write, read and run turns without a pause while something is broken on purpose. The longest gap is the ' +
  'time between two successes (for turns at least the time of the slowest one), the last failure the time until the last request that ' +
  'failed; lost is what was acknowledged and is not there ' +
  "afterwards, RPO its age when it failed. Of several runs the worst figure counts. A gap of at most 5 s, a client's own deadline, or twice that of the load " +
  'before the failure, counts as none.'

const style = `body{font:15px/1.5 system-ui,sans-serif;max-width:1280px;margin:2rem auto;padding:0 1rem;color:#0f172a}
table{border-collapse:collapse;width:100%;font-size:13px}td,th{border-bottom:1px solid #e2e8f0;padding:.3rem .45rem;text-align:left;vertical-align:top}
th{color:#475569;font-weight:600}tr.first td{border-top:2px solid #cbd5e1}td.number,th.number{text-align:right}td.number{white-space:nowrap;font-variant-numeric:tabular-nums}
.good{color:#15803d;font-weight:600}.bad{color:#b91c1c;font-weight:600}svg{width:100%;border:1px solid #e2e8f0;border-radius:4px}
h2{margin:2.5rem 0 .5rem;font-size:18px}small{color:#64748b;font-weight:400}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0}
ul.why{color:#b91c1c;margin:.2rem 0}`

/** The class of a column of numbers. */
const numeric = (index: number): string =>
  index === 2 || (index > 3 && index < header.length - 1) ? ' class="number"' : ''

function cell(text: string, index: number, good: boolean): string {
  if (index === header.length - 1)
    return `<td class="${good ? 'good' : 'bad'}">${escapeHtml(text)}</td>`
  return `<td${numeric(index)}>${escapeHtml(text)}</td>`
}

/** Of each drill the run with the longest gap. */
function worstRuns(drills: readonly Drill[], results: readonly DrillResult[]): DrillResult[] {
  const gap = (result: DrillResult): number =>
    Math.max(0, ...result.measurements.map((one) => one.rtoSeconds))
  return drills.flatMap((drill) =>
    results
      .filter((result) => result.drill === drill.name)
      .sort((a, b) => gap(b) - gap(a))
      .slice(0, 1),
  )
}

/** One self-contained HTML page: the table, then a timeline of each drill's worst run. */
export function html(
  drills: readonly Drill[],
  results: readonly DrillResult[],
  environment: Environment,
): string {
  const table = rows(drills, results)
  const body = table.flatMap((row) =>
    cells(row).map(
      (line, index) =>
        `<tr${index === 0 ? ' class="first"' : ''}>${line.map((text, column) => cell(text, column, passed(row))).join('')}</tr>`,
    ),
  )
  const plots = worstRuns(drills, results).map((result) => {
    const title = drills.find((drill) => drill.name === result.drill)?.title ?? result.drill
    const reasons = result.violations.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('')
    const list = reasons === '' ? '' : `<ul class="why">${reasons}</ul>`
    return `<h2 id="${result.drill}">${escapeHtml(title)} <small>${result.startedAt}</small></h2>${list}${timeline(result.attempts, result.events, result.moments)}`
  })
  const facts = Object.entries(environment).map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`,
  )
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Recovery drills</title><style>${style}</style>
<h1>Recovery drills</h1><p>${definitions}</p>
<table><tr>${header.map((text, index) => `<th${numeric(index)}>${text}</th>`).join('')}</tr>${body.join('')}</table>
<ul>${notes(table)
    .map((note) => `<li>${escapeHtml(note)}</li>`)
    .join('')}</ul>
<h2>Measured on</h2><dl>${facts.join('')}</dl>
<p>Of each drill the run with the longest gap; times are seconds since the failure. Green: a request succeeded. Red: one failed. Dashed lines: the drill's own steps in red, the cluster's events in grey.</p>
${plots.join('\n')}</html>\n`
}
