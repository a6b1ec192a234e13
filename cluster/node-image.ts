import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { buildImage, buildProgramImage, hashFiles, imageExists } from './docker-image.ts'
import { copyNodeFiles, linkOrCopy } from './files.ts'
import { goModuleDir } from './go-module.ts'
import { cacheDir, root, tool } from './paths.ts'
import { poll } from './poll.ts'
import { clusterTools, isAllInOne, toolNamed, toolStamp } from './tools.ts'
import { debian, versions } from './versions.ts'

const quiet = $({ quiet: true })
const sources = join(root, 'cluster', 'node-image')

/** Debian packages of a node: those of kind's own Dockerfile without its network file systems, and runc and the CNI plugins. */
const packages = [
  'systemd',
  'dbus',
  'conntrack',
  'iptables',
  'nftables',
  'iproute2',
  'ethtool',
  'util-linux',
  'mount',
  'kmod',
  'libseccomp2',
  'pigz',
  'e2fsprogs',
  'bash',
  'ca-certificates',
  'curl',
  'jq',
  'procps',
  'runc',
  'containernetworking-plugins',
  'busybox-static',
]

/** The CNI plugins of the package that the pod network does not use: 35 MB. */
const unusedPlugins = ['b*', 'd*', 'f*', 'host-device', 'i*', 'm*', 's*', 't*', 'v*'].map(
  (name) => `/usr/lib/cni/${name}`,
)

/** Image references that a node has before it can reach any registry, and the program in each. */
export const preloadedImages: Readonly<Record<string, string>> = {
  [`registry.k8s.io/pause:${versions.pause}`]: 'pause',
  [`registry.k8s.io/kube-apiserver:v${versions.kubernetes}`]: 'kube-apiserver',
  [`registry.k8s.io/kube-controller-manager:v${versions.kubernetes}`]: 'kube-controller-manager',
  [`registry.k8s.io/kube-scheduler:v${versions.kubernetes}`]: 'kube-scheduler',
  [`registry.k8s.io/kube-proxy:v${versions.kubernetes}`]: 'kube-proxy',
  [`registry.k8s.io/etcd:${versions.etcd}-0`]: 'etcd',
  [`registry.k8s.io/coredns/coredns:v${versions.coredns}`]: 'coredns',
  [`docker.io/rancher/local-path-provisioner:v${versions.localPathProvisioner}`]:
    'local-path-provisioner',
  'docker.io/opencode-test/pod-network:0.1.0': 'pod-network',
  'docker.io/opencode-test/local-path-helper:0.1.0': 'local-path-helper',
}

/** Where the program that is all of Kubernetes lies, on nodes and in images alike. */
const allInOnePath = '/usr/local/bin/kubernetes'

/** Images with more than one program in them: targets of images.Dockerfile. */
const targets = new Set(['kube-proxy', 'local-path-helper'])

/** The name of the node image made from what is pinned now. */
export function nodeImageRef(): string {
  const stamps = clusterTools.map(toolStamp).join()
  const inputs = [
    stamps,
    packages.join(),
    unusedPlugins.join(),
    JSON.stringify(preloadedImages),
    debian.node,
    versions.kind,
  ]
  const own = hashFiles([sources], inputs.join())
  return `opencode-test/kind-node:v${versions.kubernetes}-${own}`
}

/** kind's containerd configuration and unit as they work where limits cannot be raised. */
export function relaxLimits(unit: string): string {
  return unit.replace(/^(Limit[A-Z]+|OOMScoreAdjust)=.*\n/gm, '')
}

/** The runtime specification that containerd starts from: `ctr oci spec` with kind's hook and without limits. */
export function runtimeSpec(spec: string): string {
  const parsed = JSON.parse(spec) as {
    hooks?: Record<string, unknown[]>
    process?: Record<string, unknown>
  }
  delete parsed.process?.['rlimits']
  parsed.hooks = {
    ...parsed.hooks,
    createContainer: [{ path: '/kind/bin/mount-product-files.sh' }],
  }
  return JSON.stringify(parsed, null, 2)
}

/**
 * Builds the node image from Debian packages, kind's node files and the pinned binaries, unless it is there already.
 * Needs root (mmdebstrap and the pod images' content store) and the cluster tools.
 * @returns the image's reference in the Docker daemon.
 */
export async function ensureNodeImage(line: (text: string) => void): Promise<string> {
  const ref = nodeImageRef()
  if (await imageExists(ref)) return ref
  const base = await ensureNodeBase(line)
  const context = join(cacheDir, 'node-image')
  await rm(context, { recursive: true, force: true })
  await mkdir(context, { recursive: true })
  line("laying out kind's node files and the Kubernetes binaries")
  await writeNodeFiles(join(context, 'files'))
  await preload(base, join(context, 'containerd'), line)
  line('building the node image')
  await buildImage(ref, join(sources, 'Dockerfile'), context, ['--build-arg', `BASE=${base}`])
  await rm(context, { recursive: true, force: true })
  return ref
}

/** The Debian file system of a node as an image. */
export async function ensureNodeBase(line: (text: string) => void): Promise<string> {
  const ref = `opencode-test/kind-base:${hashFiles([], packages.join() + unusedPlugins.join() + debian.node)}`
  if (await imageExists(ref)) return ref
  line(`unpacking Debian ${debian.node} for the nodes`)
  const archive = join(cacheDir, 'kind-base.tar')
  mkdirSync(cacheDir, { recursive: true })
  const unused = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/doc/*', ...unusedPlugins]
  const excluded = unused.map((path) => `--dpkgopt=path-exclude=${path}`)
  await quiet`mmdebstrap --quiet --variant=minbase --include=${packages.join(',')} ${excluded} ${debian.node} ${archive}`
  await quiet`docker import ${archive} ${ref}`
  rmSync(archive)
  return ref
}

async function writeNodeFiles(files: string): Promise<void> {
  const base = join(
    await goModuleDir('sigs.k8s.io/kind', 'cluster/modules/kubernetes'),
    'images',
    'base',
    'files',
  )
  await copyNodeFiles(
    base,
    files,
    (path) => path.includes('/kind/bin/') || path.includes('/usr/local/bin/'),
  )
  const edit = (path: string, change: (text: string) => string): void => {
    writeFileSync(join(files, path), change(readFileSync(join(files, path), 'utf8')))
  }
  edit('etc/systemd/system/containerd.service', relaxLimits)
  edit('etc/containerd/config.toml', (text) =>
    text.replace('restrict_oom_score_adj = false', 'restrict_oom_score_adj = true'),
  )
  writeFileSync(
    join(files, 'etc/containerd/cri-base.json'),
    runtimeSpec((await quiet`${tool('ctr')} oci spec`).stdout),
  )
  await mkdir(join(files, 'kind', 'manifests'), { recursive: true })
  for (const name of ['default-cni.yaml', 'default-storage.yaml'])
    await cp(join(sources, name), join(files, 'kind', 'manifests', name))
  writeFileSync(join(files, 'kind', 'version'), `v${versions.kubernetes}`)
  await linkOrCopy(tool('kubelet'), join(files, allInOnePath))
  await mkdir(join(files, 'usr', 'bin'), { recursive: true })
  for (const name of ['kubeadm', 'kubelet', 'kubectl'])
    await symlink(allInOnePath, join(files, 'usr', 'bin', name))
  for (const name of ['containerd', 'containerd-shim-runc-v2', 'ctr'])
    await linkOrCopy(tool(name), join(files, 'usr', 'local', 'bin', name))
}

/** Builds the pod images of a node and imports them, pinned and compressed, into a content store of its own. */
async function preload(base: string, store: string, line: (text: string) => void): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'node-images-'))
  try {
    await linkOrCopy(tool('kube-proxy'), join(work, 'context', 'root', allInOnePath))
    await mkdir(join(work, 'context', 'links'), { recursive: true })
    await symlink(allInOnePath, join(work, 'context', 'links', 'kube-proxy'))
    for (const [ref, program] of Object.entries(preloadedImages)) {
      line(`image ${ref}`)
      const options = ['--build-arg', `BASE=${base}`, '--target', program]
      if (targets.has(program))
        await buildImage(ref, join(sources, 'images.Dockerfile'), join(work, 'context'), options)
      else {
        const shared = isAllInOne(toolNamed(program, clusterTools))
          ? { path: allInOnePath, link: `/usr/local/bin/${program}` }
          : {}
        await buildProgramImage(ref, { program, file: tool(program), ...shared })
      }
    }
    line("importing the images into the node's store")
    await quiet`docker save --output ${join(work, 'images.tar')} ${Object.keys(preloadedImages)}`
    await importImages(join(work, 'images.tar'), store, work)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Runs containerd for a moment, without snapshots and without privileges, only to fill its content store. */
async function importImages(archive: string, store: string, work: string): Promise<void> {
  const config = join(work, 'config.toml')
  const socket = join(work, 'containerd.sock')
  const disabled = [
    'io.containerd.cri.v1.images',
    'io.containerd.cri.v1.runtime',
    'io.containerd.grpc.v1.cri',
  ]
  const lines = [
    'version = 3',
    `root = "${store}"`,
    `state = "${join(work, 'state')}"`,
    `disabled_plugins = ${JSON.stringify(disabled)}`,
  ]
  writeFileSync(config, [...lines, '[grpc]', `address = "${socket}"`].join('\n'))
  const daemon = spawn(tool('containerd'), ['--config', config, '--log-level', 'error'], {
    stdio: 'ignore',
  })
  try {
    const ctr = [tool('ctr'), '--address', socket, '--namespace', 'k8s.io']
    await poll(
      'containerd for the import',
      30,
      async () => (await $({ quiet: true, nothrow: true })`${ctr} version`).exitCode === 0,
    )
    const options = [
      '--label=io.cri-containerd.pinned=pinned',
      '--all-platforms',
      '--no-unpack',
      '--compress-blobs',
    ]
    await quiet`${ctr} images import ${options} ${archive}`
    // A synchronous removal is what makes containerd collect the uncompressed blobs that the import left behind.
    const [first] = Object.keys(preloadedImages)
    await quiet`${ctr} images tag ${first} removed:now`
    await quiet`${ctr} images rm --sync removed:now`
  } finally {
    const ended = new Promise((resolve) => daemon.once('exit', resolve))
    daemon.kill()
    await ended
  }
}
