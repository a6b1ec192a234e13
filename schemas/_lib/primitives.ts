/**
 * Named scalar types of the values. Their patterns run in two engines, Helm's RE2 and Ajv's ECMAScript: no lookaround, no
 * backreference, no `\d` beyond ASCII. `npm run generate` compiles each with RE2 and fails on what Helm would refuse.
 */

/**
 * Kubernetes quantity: an amount of memory, storage or CPU.
 * @pattern ^([0-9]+(\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$
 * @maxLength 32
 * @examples ["500m", "512Mi", "10Gi"]
 */
export type Quantity = string

/**
 * A count of CPUs or an amount of bytes, with or without a unit. Numbers are whole or decimal CPUs.
 * @pattern ^([0-9]+(\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$
 * @maxLength 32
 * @minimum 0
 */
export type QuantityOrNumber = string | number

/**
 * Duration with a unit, as Go and Prometheus write it.
 * @pattern ^([0-9]+(ms|s|m|h|d|w))+$
 * @maxLength 32
 * @examples ["30s", "5m", "1h30m"]
 */
export type Duration = string

/**
 * Cron expression with six fields, the first being seconds, as CloudNativePG reads it.
 * @pattern ^([0-9*,/?A-Za-z-]+ ){5}[0-9*,/?A-Za-z-]+$
 * @maxLength 128
 * @examples ["0 0 2 * * *"]
 */
export type SixFieldCron = string

/**
 * DNS host name in lower case, without wildcard (RFC 1123).
 * @pattern ^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$
 * @maxLength 253
 * @examples ["api.opencode.io"]
 */
export type Hostname = string

/**
 * Name of a Kubernetes object (RFC 1123 subdomain).
 * @pattern ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$
 * @maxLength 253
 */
export type ObjectName = string

/**
 * Name that must be a single DNS label: namespaces, Services, volumes, ports.
 * @pattern ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$
 * @maxLength 63
 */
export type LabelName = string

/**
 * Key of a Secret or ConfigMap.
 * @pattern ^[A-Za-z0-9._-]+$
 * @maxLength 253
 */
export type DataKey = string

/**
 * Name of an environment variable.
 * @pattern ^[A-Za-z_][A-Za-z0-9_]*$
 * @maxLength 128
 */
export type EnvironmentName = string

/**
 * Registry host of an image, with an optional port and path prefix, without scheme.
 * @pattern ^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9._/-]+)?$
 * @maxLength 253
 * @examples ["ghcr.io", "registry.example.com:5000"]
 */
export type ImageRegistry = string

/**
 * Repository of an image, below its registry.
 * @pattern ^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$
 * @maxLength 253
 * @examples ["opencode/api"]
 */
export type ImageRepository = string

/**
 * Tag of an image.
 * @pattern ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$
 */
export type ImageTag = string

/**
 * Digest of an image; it wins over the tag.
 * @pattern ^sha256:[a-f0-9]{64}$
 */
export type ImageDigest = string

/**
 * Whole image reference: registry, repository, and a tag or a digest.
 * @pattern ^[a-zA-Z0-9][a-zA-Z0-9.:-]*(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?$
 * @maxLength 512
 * @examples ["ghcr.io/cloudnative-pg/postgresql:17.6"]
 */
export type ImageReference = string

/**
 * IP address and TCP port; an IPv6 address stands in brackets.
 * @pattern ^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$
 * @maxLength 64
 * @examples ["10.0.0.1:443", "[fd00::1]:443"]
 */
export type HostAndPort = string

/**
 * TCP port.
 * @minimum 1
 * @maximum 65535
 * @TJS-type integer
 */
export type Port = number

/**
 * Whole number from zero up.
 * @minimum 0
 * @TJS-type integer
 */
export type Count = number

/**
 * Whole number from one up.
 * @minimum 1
 * @TJS-type integer
 */
export type PositiveCount = number

/**
 * Whole seconds.
 * @minimum 0
 * @maximum 86400
 * @TJS-type integer
 */
export type Seconds = number

/**
 * Percentage.
 * @minimum 1
 * @maximum 100
 * @TJS-type integer
 */
export type Percentage = number

/**
 * A count of pods, or a percentage of them.
 * @pattern ^(100|[1-9]?[0-9])%$
 * @minimum 0
 * @multipleOf 1
 */
export type CountOrPercentage = string | number

/**
 * Absolute URL of an HTTP service.
 * @pattern ^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^ ]*)?$
 * @maxLength 2048
 */
export type HttpUrl = string

/**
 * IPv4 or IPv6 network in CIDR notation.
 * @pattern ^[0-9a-fA-F.:]+/[0-9]{1,3}$
 * @maxLength 64
 * @examples ["10.0.0.0/8"]
 */
export type Cidr = string

/**
 * Origin of a web page: scheme, host and, where it is not the scheme's own, port.
 * @pattern ^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$
 * @maxLength 255
 * @examples ["https://app.example.com"]
 */
export type Origin = string
