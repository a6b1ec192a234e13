import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../cluster/paths.ts'

/** One query of a dashboard. */
export interface PanelQuery {
  readonly dashboard: string
  readonly title: string
  readonly ref: string
  /** With Grafana's variables replaced by what "All" makes of them. */
  readonly expression: string
}

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}

/** What has a series only while something is wrong: an empty answer is the good one. */
const onlyInTrouble =
  /^sum\(opencode_draining|opencode_llm_errors_total|opencode_sandbox_lost_total/

/** The queries of all dashboards that the chart brings and that a healthy service under load has data for. */
export function panels(): PanelQuery[] {
  const folder = join(root, 'chart', 'files', 'dashboards')
  return readdirSync(folder).flatMap((file) => {
    const dashboard = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      title: string
      panels: Panel[]
    }
    return dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets
        .filter(({ expr }) => !onlyInTrouble.test(expr))
        .map(({ refId, expr }) => ({
          dashboard: dashboard.title,
          title,
          ref: refId,
          expression: expr.replaceAll('$namespace', '.+'),
        })),
    )
  })
}
