import { defaults } from '../values/defaults.ts'
import { defaultRegion, regions } from '../values/regions.ts'
import { repository } from '../values/repository.ts'
import { ignoredDifferences } from './ignored.ts'
import { waves } from './waves.ts'

const namespace = 'argocd'
const project = 'opencode'
/** Namespace of the release in every cluster. */
const releaseNamespace = 'opencode'

/** Name by which Argo CD knows a region's cluster. */
const cluster = (region: string): string => `opencode-${region}`

/** What all Applications have in common. */
function applicationSpec(region: string, destination: object, syncPolicy: object): object {
  return {
    project,
    source: {
      repoURL: repository,
      targetRevision: 'main',
      path: 'chart',
      helm: {
        releaseName: 'opencode',
        valueFiles: [`../values/${region}.yaml`],
        valuesObject: waves,
      },
    },
    destination: { ...destination, namespace: releaseNamespace },
    ignoreDifferences: ignoredDifferences,
    syncPolicy: {
      ...syncPolicy,
      syncOptions: ['CreateNamespace=true', 'RespectIgnoreDifferences=true', 'PruneLast=true'],
      managedNamespaceMetadata: {
        labels: { 'pod-security.kubernetes.io/enforce': defaults.namespaces.podSecurity },
      },
      retry: { limit: 5, backoff: { duration: '10s', factor: 2, maxDuration: '3m' } },
    },
  }
}

/** What Applications of the project may touch: their three namespaces, and of cluster-wide objects only the namespaces themselves. */
export const appProject: object = {
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'AppProject',
  // Before the objects that name it, where one Application of Applications holds them all.
  metadata: { name: project, namespace, annotations: { 'argocd.argoproj.io/sync-wave': '-1' } },
  spec: {
    description: 'OpenCode in every region',
    sourceRepos: [repository],
    destinations: [
      { server: 'https://kubernetes.default.svc' },
      ...Object.keys(regions).map((region) => ({ name: cluster(region) })),
    ].flatMap((target) =>
      [releaseNamespace, `${releaseNamespace}-workers`, `${releaseNamespace}-sandboxes`].map(
        (name) => ({
          ...target,
          namespace: name,
        }),
      ),
    ),
    clusterResourceWhitelist: [{ group: '', kind: 'Namespace' }],
  },
}

/** One region in Argo CD's own cluster. */
export const application: object = {
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'Application',
  // Deleting the Application deletes what it made.
  metadata: { name: 'opencode', namespace, finalizers: ['resources-finalizer.argocd.argoproj.io'] },
  spec: applicationSpec(
    defaultRegion,
    { server: 'https://kubernetes.default.svc' },
    { automated: { prune: true, selfHeal: true } },
  ),
}

/**
 * Every region, each in its own cluster. The region whose database is written to goes first, since it brings the schema; the others
 * follow one at a time, each only while the one before is healthy.
 */
export const applicationSet: object = {
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'ApplicationSet',
  metadata: { name: 'opencode', namespace },
  spec: {
    goTemplate: true,
    goTemplateOptions: ['missingkey=error'],
    generators: [
      {
        list: {
          elements: Object.keys(regions).map((region) => ({ region, cluster: cluster(region) })),
        },
      },
    ],
    strategy: {
      type: 'RollingSync',
      rollingSync: {
        steps: [
          {
            matchExpressions: [
              { key: 'opencode.io/region', operator: 'In', values: [defaultRegion] },
            ],
          },
          {
            matchExpressions: [
              { key: 'opencode.io/region', operator: 'NotIn', values: [defaultRegion] },
            ],
            maxUpdate: 1,
          },
        ],
      },
    },
    // A region that leaves the table keeps running until somebody deletes it.
    syncPolicy: { preserveResourcesOnDeletion: true },
    template: {
      metadata: {
        name: 'opencode-{{ .region }}',
        labels: { 'opencode.io/region': '{{ .region }}' },
      },
      spec: applicationSpec('{{ .region }}', { name: '{{ .cluster }}' }, {}),
    },
  },
}
