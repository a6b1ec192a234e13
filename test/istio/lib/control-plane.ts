import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { tool } from '../../../cluster/paths.ts'
import { freePort } from '../../services/support/free-port.ts'
import { answers, ServerProcess } from '../../services/support/process.ts'

/**
 * What Istio's control plane configures in Istio's own Envoy only: metrics between proxies and the choice of a protocol in the TLS
 * handshake. Without them any Envoy takes its configuration. `pilot/pkg/features` of istio.io/istio.
 */
const anyEnvoy = { PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' }

/** Proxies bring certificates of their own, so nothing has to be signed. */
const noAuthority = { ENABLE_CA_SERVER: 'false', PILOT_CERT_PROVIDER: 'none' }

/** Istio's control plane on an API server. */
export class ControlPlane {
  readonly #server: ServerProcess
  readonly #ready: string
  /** Where proxies ask for their configuration: `host:port`. */
  readonly address: string

  private constructor(
    folder: string,
    kubeconfig: string,
    ports: { grpc: number; http: number; monitoring: number },
  ) {
    const mesh = join(folder, 'mesh.yaml')
    // Nothing but what the objects say: no tracing, no metrics of proxies that nobody reads.
    writeFileSync(mesh, stringify({ enableTracing: false, enablePrometheusMerge: false }))
    const address = (port: number): string => `127.0.0.1:${port}`
    const args = [
      'discovery',
      `--kubeconfig=${kubeconfig}`,
      `--meshConfig=${mesh}`,
      `--grpcAddr=${address(ports.grpc)}`,
      `--httpAddr=${address(ports.http)}`,
      `--monitoringAddr=${address(ports.monitoring)}`,
      '--httpsAddr=',
      '--secureGRPCAddr=',
      '--ctrlz_port=0',
    ]
    const env = {
      ...process.env,
      ...anyEnvoy,
      ...noAuthority,
      POD_NAMESPACE: 'istio-system',
      CLOUD_PLATFORM: 'none',
    }
    this.#server = new ServerProcess(tool('pilot-discovery'), args, { env, cwd: folder })
    this.#ready = `http://${address(ports.http)}/ready`
    this.address = address(ports.grpc)
  }

  static async start(folder: string, kubeconfig: string): Promise<ControlPlane> {
    const plane = new ControlPlane(folder, kubeconfig, {
      grpc: await freePort(),
      http: await freePort(),
      monitoring: await freePort(),
    })
    await plane.#server.start(answers(plane.#ready))
    return plane
  }

  async stop(): Promise<void> {
    await this.#server.stop('SIGKILL')
  }
}
