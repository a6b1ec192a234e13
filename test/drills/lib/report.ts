import { budgetOf, type Drill } from './drill.ts'
import type { DrillResult } from './run-drill.ts'
import { timeline } from './timeline.ts'
import type { Measurement } from './verdict.ts'

/** Versions and machine that the figures were taken on. */
export interface Environment {
  readonly [name: string]: string
}

/** The worst run of a drill counts, figure by figure. */
interface Row {
  readonly drill: Drill
  readonly runs: number
  readonly worst: readonly Measurement[]
  readonly stream: { readonly missing: number; readonly repeated: number }
  readonly violations: readonly string[]
}

const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

function worst(results: readonly DrillResult[]): Measurement[] {
  const kinds = [...new Set(results.flatMap((result) => result.measurements.map((one) => one.kind)))]
  return kinds.map((kind) => {
    const mine = results.flatMap((result) => result.measurements.filter((one) => one.kind === kind))
    const most = (key: Exclude<keyof Measurement, 'kind'>): number => Math.max(...mine.map((one) => one[key]))
    return {
      kind,
      attempts: most('attempts'),
      failed: most('failed'),
      rtoSeconds: most('rtoSeconds'),
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
    const most = (key: 'missing' | 'repeated'): number => Math.max(...mine.map((result) => result.stream[key]))
    return [{
      drill,
      runs: mine.length,
      worst: worst(mine),
      stream: { missing: most('missing'), repeated: most('repeated') },
      violations: [...new Set(mine.flatMap((result) => result.violations))],
    }]
  })
}

const header = ['Drill', 'Runs', 'Load', 'Requests', 'Failed', 'RTO measured', 'RTO budget', 'Lost', 'Duplicates', 'Events lost', 'Verdict']

function cells(row: Row): string[][] {
  const budget = budgetOf(row.drill)
  return row.worst.map((one, index) => [
    index === 0 ? row.drill.title : '',
    index === 0 ? String(row.runs) : '',
    one.kind,
    String(one.attempts),
    String(one.failed),
    `${one.rtoSeconds.toFixed(1)} s`,
    `${budget.rtoSeconds} s`,
    String(one.missing),
    String(one.duplicates),
    String(row.stream.missing),
    index === 0 ? (row.violations.length === 0 ? 'holds' : 'missed') : '',
  ])
}

/** The summary that is committed, in Markdown. */
export function markdown(drills: readonly Drill[], results: readonly DrillResult[], environment: Environment): string {
  const table = rows(drills, results)
  const lines = [header, header.map(() => '---'), ...table.flatMap(cells)].map((line) => `| ${line.join(' | ')} |`)
  const notes = table.flatMap((row) => [
    ...(row.drill.exception ? [`- ${row.drill.title}: ${row.drill.exception.why}`] : []),
    ...row.violations.map((reason) => `- ${row.drill.title}: ${reason}.`),
  ])
  const versions = Object.entries(environment).map(([name, value]) => `${name} ${value}`).join(', ')
  return ['<!-- written by npm run drill: do not edit -->', '', ...lines, '', ...notes, '', `Measured on: ${versions}.`, ''].join('\n')
}

/** One self-contained HTML page: the table, then a timeline a run. */
export function html(drills: readonly Drill[], results: readonly DrillResult[], environment: Environment): string {
  const table = rows(drills, results)
  const body = table.flatMap(cells).map((line) => `<tr>${line.map((cell) => `<td class="${cell}">${escapeHtml(cell)}</td>`).join('')}</tr>`)
  const plots = results.map((result) => {
    const title = drills.find((drill) => drill.name === result.drill)?.title ?? result.drill
    const reasons = result.violations.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('')
    return `<h2>${escapeHtml(title)} <small>${result.startedAt}</small></h2><ul>${reasons}</ul>${timeline(result.attempts, result.events, result.window)}`
  })
  const facts = Object.entries(environment).map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Recovery drills</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#0f172a}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #e2e8f0;padding:.35rem .5rem;text-align:left}.holds{color:#15803d;font-weight:600}.missed{color:#b91c1c;font-weight:600}
svg{width:100%;border:1px solid #e2e8f0}small{color:#64748b;font-weight:400}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0}
</style><h1>Recovery drills</h1><p>RTO is the longest time between two successful requests, RPO what was acknowledged and is missing. Of several runs the worst counts.</p>
<table><tr>${header.map((cell) => `<th>${cell}</th>`).join('')}</tr>${body.join('')}</table>${plots.join('')}<h2>Measured on</h2><dl>${facts.join('')}</dl></html>`
}
