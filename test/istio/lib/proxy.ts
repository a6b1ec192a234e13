import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { envoyBinary } from '../../../cluster/envoy.ts'
import { tool } from '../../../cluster/paths.ts'
import { freePort } from '../../services/support/free-port.ts'
import { answers, descendants, ServerProcess } from '../../services/support/process.ts'
import type { Authority, Identity } from './certificates.ts'

/** What the proxies of a mesh share. */
export interface Mesh {
  /** Where each of them gets a folder of its own. */
  readonly folder: string
  readonly authority: Authority
  /** The control plane: `host:port`. */
  readonly discoveryAddress: string
  /** Template of Envoy's first configuration. */
  readonly bootstrap: string
}

/** One proxy of the mesh. */
export interface ProxyInput extends Identity {
  readonly kind: 'sidecar' | 'router'
  readonly name: string
  /** Its pod's labels, which policies select it by. */
  readonly labels: Readonly<Record<string, string>>
  /** A loopback address of its own: endpoints there are the ones it serves. */
  readonly ip: string
}

/** Istio's agent with its Envoy. */
export class Proxy {
  readonly #agent: ServerProcess

  constructor(agent: ServerProcess) {
    this.#agent = agent
  }

  /** Ends both at once, as when their node dies: connections break. */
  async kill(): Promise<void> {
    for (const pid of descendants(this.#agent.pid)) process.kill(pid, 'SIGKILL')
    await this.#agent.stop('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#agent.stop()
  }
}

/** Starts Istio's agent with an Envoy, as the pods of a mesh have them, and waits until the control plane has configured it. */
export async function startProxy(
  input: ProxyInput,
  { folder, authority, discoveryAddress, bootstrap }: Mesh,
): Promise<Proxy> {
  const home = mkdtempSync(join(folder, `${input.name}-`))
  authority.issue(input, join(home, 'var', 'run', 'secrets', 'workload-spiffe-credentials'))
  const [admin, statusPort, prometheus, ready] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const config = {
    binaryPath: await envoyBinary(),
    configPath: join(home, 'etc'),
    discoveryAddress,
    // On one machine: the connection is not encrypted.
    controlPlaneAuthPolicy: 'NONE',
    proxyAdminPort: admin,
    statusPort,
    concurrency: 1,
    terminationDrainDuration: '0s',
  }
  const env = {
    ...process.env,
    POD_NAME: input.name,
    POD_NAMESPACE: input.namespace,
    SERVICE_ACCOUNT: input.serviceAccount,
    INSTANCE_IP: input.ip,
    PROXY_CONFIG: JSON.stringify(config),
    ISTIO_METAJSON_LABELS: JSON.stringify(input.labels),
    // No packets are redirected: proxies listen where the Sidecar object says.
    ISTIO_META_INTERCEPTION_MODE: 'NONE',
    ENVOY_STATUS_PORT: String(ready),
    ENVOY_PROMETHEUS_PORT: String(prometheus),
    GRPC_XDS_BOOTSTRAP: '',
    CLOUD_PLATFORM: 'none',
  }
  const args = [
    'proxy',
    input.kind,
    '--domain',
    `${input.namespace}.svc.cluster.local`,
    '--templateFile',
    bootstrap,
  ]
  const agent = new ServerProcess(tool('pilot-agent'), args, { env, cwd: home })
  await agent.start(answers(`http://127.0.0.1:${statusPort}/healthz/ready`))
  return new Proxy(agent)
}
