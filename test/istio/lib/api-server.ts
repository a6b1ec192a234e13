import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { $ } from 'zx'
import { tool } from '../../../cluster/paths.ts'
import { freePort } from '../../services/support/free-port.ts'
import { run, ServerProcess } from '../../services/support/process.ts'
import type { KubernetesObject } from '../../chart/lib/render.ts'

/** A Kubernetes API server with its etcd, and nothing else of a cluster: it keeps objects and judges them by their definitions. */
export class ApiServer {
  readonly #etcd: ServerProcess
  readonly #server: ServerProcess
  readonly #controllers: ServerProcess | undefined
  /** `https://host:port` */
  readonly url: string
  /** Path of its certificate, PEM. */
  readonly certificate: string
  /** Opens it with every permission. */
  readonly kubeconfig: string

  private constructor(
    folder: string,
    ports: { client: number; peer: number; api: number; controllers: number },
    controllers: readonly string[],
  ) {
    mkdirSync(folder, { recursive: true })
    const [key, token, tokens, certificates] = [
      join(folder, 'service-accounts.key'),
      'administrator',
      join(folder, 'tokens.csv'),
      join(folder, 'certificates'),
    ]
    run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key])
    writeFileSync(tokens, `${token},administrator,1,system:masters\n`)
    const url = (port: number): string => `http://127.0.0.1:${port}`
    this.#etcd = new ServerProcess(tool('etcd'), [
      `--data-dir=${join(folder, 'etcd')}`,
      '--unsafe-no-fsync',
      ...['listen-client-urls', 'advertise-client-urls'].map(
        (flag) => `--${flag}=${url(ports.client)}`,
      ),
      ...['listen-peer-urls', 'initial-advertise-peer-urls'].map(
        (flag) => `--${flag}=${url(ports.peer)}`,
      ),
      `--initial-cluster=default=${url(ports.peer)}`,
    ])
    this.#server = new ServerProcess(tool('kube-apiserver'), [
      `--etcd-servers=${url(ports.client)}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${ports.api}`,
      `--cert-dir=${certificates}`,
      `--token-auth-file=${tokens}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--endpoint-reconciler-type=none',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
    ])
    this.url = `https://127.0.0.1:${ports.api}`
    this.certificate = join(certificates, 'apiserver.crt')
    this.kubeconfig = join(folder, 'kubeconfig')
    this.#controllers =
      controllers.length === 0
        ? undefined
        : new ServerProcess(tool('kube-controller-manager'), [
            `--kubeconfig=${this.kubeconfig}`,
            `--controllers=${controllers.join(',')}`,
            '--leader-elect=false',
            '--bind-address=127.0.0.1',
            `--secure-port=${ports.controllers}`,
            `--cert-dir=${join(folder, 'controllers')}`,
          ])
    const name = 'local'
    writeFileSync(
      this.kubeconfig,
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': name,
        clusters: [
          {
            name,
            cluster: {
              server: this.url,
              'certificate-authority': this.certificate,
            },
          },
        ],
        users: [{ name, user: { token } }],
        contexts: [{ name, context: { cluster: name, user: name } }],
      }),
    )
  }

  /** @param controllers - Names of the controllers that run beside it. @default none */
  static async start(folder: string, controllers: readonly string[] = []): Promise<ApiServer> {
    const ports = {
      client: await freePort(),
      peer: await freePort(),
      api: await freePort(),
      controllers: await freePort(),
    }
    const api = new ApiServer(folder, ports, controllers)
    // The API server waits for etcd by itself.
    await api.#etcd.start(() => Promise.resolve(true))
    await api.#server.start(
      async () => (await api.#kubectl(['get', '--raw', '/readyz'])).exitCode === 0,
      60_000,
    )
    await api.#controllers?.start(() => Promise.resolve(true))
    return api
  }

  /** Applies objects, or what a file holds. */
  async apply(objects: readonly KubernetesObject[] | string): Promise<void> {
    const file = typeof objects === 'string'
    const input = file ? '' : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
    const result = await this.#kubectl(
      ['apply', '--server-side', '--force-conflicts', '--filename', file ? objects : '-'],
      input,
    )
    if (result.exitCode !== 0) throw new Error(result.stderr)
  }

  /** Runs kubectl with every permission. @returns what it prints @throws Error with its words */
  async kubectl(args: readonly string[], input = ''): Promise<string> {
    const result = await this.#kubectl(args, input)
    if (result.exitCode !== 0) throw new Error(result.stderr)
    return result.stdout
  }

  /** Waits until every custom resource can be written. */
  async established(): Promise<void> {
    const result = await this.#kubectl([
      'wait',
      'customresourcedefinition',
      '--all',
      '--for=condition=Established',
      '--timeout=60s',
    ])
    if (result.exitCode !== 0) throw new Error(result.stderr)
  }

  async stop(): Promise<void> {
    await this.#controllers?.stop('SIGKILL')
    await this.#server.stop('SIGKILL')
    await this.#etcd.stop('SIGKILL')
  }

  #kubectl(args: readonly string[], input = '') {
    return $({
      quiet: true,
      nothrow: true,
      input,
    })`${tool('kubectl')} --kubeconfig ${this.kubeconfig} ${args}`
  }
}
