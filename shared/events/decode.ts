import { type Envelope, parseJson } from './envelope.ts'
import { EventInvalidError } from './errors.ts'
import type { EventContract } from './event.ts'
import { issuesOf } from './validation.ts'
import { convert } from './versions.ts'

/**
 * The data in the version the contract hands over. Fields the schema does not name stay.
 *
 * @throws {EventUndecodableError} `EVENT_UNDECODABLE` when the data is not JSON.
 * @throws {EventVersionUnknownError} `EVENT_VERSION_UNKNOWN` when it is newer than the contract.
 * @throws {EventInvalidError} `EVENT_INVALID` when it breaks the schema of the version it claims.
 */
export function readData(contract: EventContract, envelope: Envelope): unknown {
  const { dataversion } = envelope
  if (dataversion > contract.latest) return convert(contract, undefined, dataversion, contract.version)
  const data = parseJson(envelope.data)
  check(contract, dataversion, data)
  return dataversion === contract.version ? data : convert(contract, data, dataversion, contract.version)
}

/** @throws {EventInvalidError} `EVENT_INVALID` with every path. */
export function check(contract: EventContract, version: number, data: unknown): void {
  const schema = contract.versions[version]
  const issues = schema ? issuesOf(schema, data) : [{ path: '', message: `there is no version ${version}` }]
  if (issues.length > 0) throw new EventInvalidError(contract.name, issues)
}

/** The ordering key: the wire's, else computed from the data, else the event's own id. */
export function readKey(contract: EventContract, envelope: Envelope, data: unknown): string {
  if (envelope.partitionkey !== undefined) return envelope.partitionkey
  const latest =
    contract.version === contract.latest ? data : convert(contract, data, contract.version, contract.latest)
  return contract.keyOf(latest) ?? envelope.id
}
