/** A pinned Go module that carries definitions of Kubernetes objects. */
export interface Source {
  readonly module: string
  readonly version: string
  /** Checksum as go.sum has it. */
  readonly sum: string
}

/** Kubernetes releases that the chart is checked against: `api/openapi-spec/swagger.json` of each. */
export const kubernetes: readonly Source[] = [
  {
    module: 'k8s.io/kubernetes',
    version: 'v1.34.5',
    sum: 'h1:s8m1RKKbFA1SyBoJ1BCIuXaPwTSW28ksZcOUorrLLxk=',
  },
  {
    module: 'k8s.io/kubernetes',
    version: 'v1.35.5',
    sum: 'h1:xnHap3r0mqp36mFaLOt1Jreh8Az2+ZEhiUtIJGhou2w=',
  },
  {
    module: 'k8s.io/kubernetes',
    version: 'v1.36.3',
    sum: 'h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=',
  },
]

/** Operators' CRDs: files or folders below each module. */
export const operators: readonly (Source & { readonly paths: readonly string[] })[] = [
  {
    module: 'github.com/argoproj/argo-cd/v3',
    version: 'v3.4.3',
    sum: 'h1:JiVWV6WfA0SlLhN+9ppMMutKDBEnf283YLmZEQq1ivc=',
    paths: ['manifests/crds'],
  },
  {
    module: 'github.com/cloudnative-pg/cloudnative-pg',
    version: 'v1.30.0',
    sum: 'h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0=',
    paths: ['config/crd/bases'],
  },
  {
    module: 'github.com/cloudnative-pg/plugin-barman-cloud',
    version: 'v0.15.0',
    sum: 'h1:gNVytrzzYUE08wxLDrjfJqy1FPPSFkMe1OEr4s4pVI0=',
    paths: ['config/crd/bases'],
  },
  {
    module: 'github.com/kedacore/keda/v2',
    version: 'v2.21.0',
    sum: 'h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=',
    paths: ['config/crd/bases'],
  },
  {
    module: 'github.com/argoproj/argo-rollouts',
    version: 'v1.10.1',
    sum: 'h1:6oyVPGiHHxu3ixkT6mngemh88HLPDoTX1IwO6KNR1Y4=',
    paths: ['manifests/crds'],
  },
  {
    module: 'istio.io/api',
    version: 'v1.31.4',
    sum: 'h1:AcnncYrlDj1PJkym7h88Gggkef4MAra8QpGaXRMsr+E=',
    paths: ['kubernetes/customresourcedefinitions.gen.yaml'],
  },
  {
    module: 'sigs.k8s.io/gateway-api',
    version: 'v1.6.1',
    sum: 'h1:mock6phZbI6rvZerwrVNk7hVNymQgHo+6sJ81Ia7ftY=',
    paths: ['config/crd/standard'],
  },
  {
    module: 'github.com/cert-manager/cert-manager',
    version: 'v1.21.2',
    sum: 'h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=',
    paths: ['deploy/crds'],
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.85.0',
    sum: 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=',
    paths: ['example/prometheus-operator-crd'],
  },
  {
    module: 'github.com/external-secrets/external-secrets',
    version: 'v1.3.2',
    sum: 'h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=',
    paths: ['config/crds/bases'],
  },
]
