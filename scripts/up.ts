// `npm run up [-- --region REGION] [--name NAME] [--profile PROFILE] [--port PORT] [--offline]`: a cluster, the service on
// it, one real prompt through it.
import { relative } from 'node:path'
import { bringUpCluster, saveTimings } from '../cluster/bring-up.ts'
import { prompt, signInLink, userToken, waitForGateway } from '../cluster/first-prompt.ts'
import { kubeconfig } from '../cluster/kind-cluster.ts'
import { parseUpOptions, type UpOptions } from '../cluster/options.ts'
import { createProgress, formatSeconds } from '../cluster/progress.ts'
import { installService } from '../cluster/service.ts'
import { main } from './lib/user-error.ts'

interface Results {
  readonly url: string
  readonly token: string
  readonly answer: string
  readonly link: string
}

function summary(options: UpOptions, { url, token, answer, link }: Results): string {
  const config = relative(process.cwd(), kubeconfig(options.name))
  return [
    '',
    'The answer:',
    ...answer.split('\n').map((text) => `  ${text}`),
    '',
    `In the browser          ${link}`,
    '                        signs you in once, within ten minutes; another: see below',
    `API and web addresses   ${url}  (health: ${url}/health, events: ${url}/event, WebSocket: ${url.replace('http', 'ws')}/ws)`,
    `Kubernetes              export KUBECONFIG=${config}`,
    `Token, valid 7 days     ${token}`,
    '',
    'Try it:',
    `  OPENCODE_SERVER_PASSWORD=${token} npx opencode-linux-x64 run --attach ${url} "Hello"`,
    `  curl -H "Authorization: Bearer ${token}" ${url}/session`,
    `  kubectl --namespace opencode exec service/opencode-api --container api -- admin sign-in-link --tenant demo --user demo --url ${url}`,
    '',
  ].join('\n')
}

await main(async () => {
  const options = parseUpOptions(process.argv.slice(2))
  const progress = createProgress()
  const started = Date.now()
  const cluster = await bringUpCluster(options, progress)
  const release = await installService({ options, offline: cluster.offline }, progress)
  const url = `http://127.0.0.1:${options.port}`
  const token = await userToken(release)
  const answer = await progress.step('one prompt through the gateway', async () => {
    await waitForGateway(url, 60)
    return prompt(url, token, 'Say hello and tell me which model you are.')
  })
  saveTimings(cluster.name, progress)
  process.stdout.write(
    summary(options, { url, token, answer, link: await signInLink(release, url) }),
  )
  process.stdout.write(
    `Up in ${formatSeconds((Date.now() - started) / 1000)}. "npm run down" removes it.\n`,
  )
})
