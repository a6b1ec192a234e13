/** One panel of a Grafana dashboard: a title and what it asks Prometheus. */
export interface Panel {
  readonly title: string
  /** `timeseries` over time, `stat` for the present value. Default: `timeseries`. */
  readonly type?: 'timeseries' | 'stat'
  /** Grafana's unit id. Default: a plain number. */
  readonly unit?: 'reqps' | 's' | 'ops' | 'bytes' | 'percentunit' | 'Bps'
  /** Queries and their legends. */
  readonly queries: readonly (readonly [expr: string, legend?: string])[]
}

/** A Grafana dashboard. */
export interface Dashboard {
  /** Stable id; it is part of the dashboard's address. */
  readonly uid: string
  readonly title: string
  /** Metric whose `namespace` label tells the namespaces to choose from. */
  readonly namespacesOf: string
  readonly panels: readonly Panel[]
}

const columns = 3
const width = 24 / columns
const height = 8
const datasource = { type: 'prometheus', uid: '${datasource}' }

/** The dashboard as the JSON that Grafana's sidecar loads. */
export function dashboardJson({ uid, title, namespacesOf, panels }: Dashboard): string {
  const namespace = {
    name: 'namespace',
    type: 'query',
    datasource,
    query: `label_values(${namespacesOf}, namespace)`,
    includeAll: true,
    multi: true,
    refresh: 2,
  }
  const dashboard = {
    uid,
    title,
    tags: ['opencode'],
    schemaVersion: 39,
    timezone: 'utc',
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }, namespace],
    },
    panels: panels.map(panelJson),
  }
  // On one line: Helm searches all white space of a manifest for separators, and stores it.
  return `${JSON.stringify(dashboard)}\n`
}

function panelJson({ title, type = 'timeseries', unit, queries }: Panel, index: number): object {
  return {
    id: index + 1,
    title,
    type,
    datasource,
    gridPos: {
      h: height,
      w: width,
      x: (index % columns) * width,
      y: Math.floor(index / columns) * height,
    },
    fieldConfig: { defaults: unit === undefined ? {} : { unit }, overrides: [] },
    targets: queries.map(([expr, legendFormat], query) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + query),
      expr,
      ...(legendFormat === undefined ? {} : { legendFormat }),
    })),
  }
}
