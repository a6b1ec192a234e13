import { dashboardJson, type Dashboard } from './dashboard.ts'
import { overview } from './overview.ts'
import { stores } from './stores.ts'

/** Every dashboard, by the name of its file in the chart. */
export const dashboards: Readonly<Record<string, Dashboard>> = { overview, stores }

/** The dashboards' files, by their path below the project's folder. */
export function dashboardFiles(): [path: string, content: string][] {
  return Object.entries(dashboards).map(([name, dashboard]) => [
    `chart/files/dashboards/${name}.json`,
    dashboardJson(dashboard),
  ])
}
