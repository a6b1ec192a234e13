/** A file of the web interface. */
export interface WebFile {
  /** Names its bytes on disk: `<hash>`, or `<hash>.br` and `<hash>.gz` where it is compressed. */
  readonly hash: string
  /** Its media type, as the engine names it. */
  readonly type: string
  readonly compressed: boolean
}

/** What was taken out of the engine when the service was built. */
export interface WebManifest {
  /** Version of the engine. */
  readonly version: string
  /** The page's content security policy, as the engine sends it. */
  readonly policy: string
  /** By name, without a slash before it: `assets/index-….js`. */
  readonly files: Readonly<Record<string, WebFile>>
}
