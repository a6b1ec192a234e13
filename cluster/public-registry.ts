/** Asks one of the public container registries whether it is there; the answer decides between pulling and building. */
const probe = 'https://registry-1.docker.io/v2/'

/**
 * Whether public images can be pulled. One request with a deadline of 4 s; an answer counts only with the registry's own
 * header, because a proxy in between may answer for it.
 */
export async function publicRegistryReachable(url: string = probe): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(4000) })
    return response.headers.get('docker-distribution-api-version') === 'registry/2.0'
  } catch {
    return false
  }
}
