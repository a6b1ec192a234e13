import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../services/support/process.ts'

/** What a workload is in its mesh: its certificate says so. */
export interface Identity {
  readonly namespace: string
  readonly serviceAccount: string
}

/** Files of a certificate, by the names that Istio's agent looks for. */
export interface Certificate {
  readonly chain: string
  readonly key: string
  readonly root: string
}

/** The mesh's trust domain: the chart's default. */
const trustDomain = 'cluster.local'

const extensions = (lines: readonly string[]): string =>
  [
    '[req]',
    'distinguished_name = name',
    'x509_extensions = extensions',
    'prompt = no',
    '[name]',
    'O = mesh',
    '[extensions]',
    ...lines,
    '',
  ].join('\n')

/** A certificate authority of a mesh, in a folder of its own. */
export class Authority {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
    const usage = ['basicConstraints = critical, CA:TRUE', 'keyUsage = critical, keyCertSign']
    this.#openssl(usage, ['-keyout', this.#file('root.key'), '-out', this.#file('root.pem')])
  }

  /** A workload's certificate, with its SPIFFE identity as the only name, in `folder`. */
  issue({ namespace, serviceAccount }: Identity, folder: string): Certificate {
    mkdirSync(folder, { recursive: true })
    const name = `URI:spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`
    const [chain, key] = [join(folder, 'cert-chain.pem'), join(folder, 'key.pem')]
    const usage = [
      'basicConstraints = critical, CA:FALSE',
      'keyUsage = critical, digitalSignature',
      'extendedKeyUsage = serverAuth, clientAuth',
    ]
    this.#openssl(
      [...usage, `subjectAltName = critical, ${name}`],
      [
        '-CA',
        this.#file('root.pem'),
        '-CAkey',
        this.#file('root.key'),
        '-keyout',
        key,
        '-out',
        chain,
      ],
    )
    const root = join(folder, 'root-cert.pem')
    copyFileSync(this.#file('root.pem'), root)
    return { chain, key, root }
  }

  #file(name: string): string {
    return join(this.#folder, name)
  }

  #openssl(lines: readonly string[], args: readonly string[]): void {
    const config = this.#file('openssl.cnf')
    writeFileSync(config, extensions(lines))
    const kind = [
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-noenc',
      '-days',
      '1',
    ]
    run('openssl', ['req', '-config', config, ...kind, ...args])
  }
}
