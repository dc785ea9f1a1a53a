import type { Static, TSchema } from '@sinclair/typebox'
import type { Compatibility } from './compatibility.ts'
import { EventError } from './errors.ts'

/** `<domain>.<past-tense verb>`; the domain names the stream. */
export type EventName = `${string}.${string}`

/** `stream`: durable, at least once, replayable. `broadcast`: to whoever listens now, at most once. */
export type Delivery = 'stream' | 'broadcast'

/** Who asks to see an event live. */
export interface Principal {
  readonly role: string
  readonly user_id?: number
}

/** Versions count from 1 without gaps; a version is raised only for a breaking change. */
export type VersionSchemas = { readonly 1: TSchema } & { readonly [version: number]: TSchema }

type Previous = [never, never, 1, 2, 3, 4, 5, 6, 7, 8, 9]
type Next = [never, 2, 3, 4, 5, 6, 7, 8, 9, 10]
type SchemaOf<V, K> = K extends keyof V ? (V[K] extends TSchema ? Static<V[K]> : never) : never

/** The highest version declared. */
export type LatestVersion<V, Count extends unknown[] = [unknown]> = [
  ...Count,
  unknown,
]['length'] extends keyof V
  ? LatestVersion<V, [...Count, unknown]>
  : Count['length']

/** The data of one declared version. */
export type DataOf<V, Version> = SchemaOf<V, Version>

type Upcasts<V> = {
  readonly [K in keyof V as K extends 1 ? never : K]: (
    data: SchemaOf<V, Previous[K & keyof Previous]>,
  ) => SchemaOf<V, K>
}
type Downcasts<V> = {
  readonly [K in keyof V as K extends LatestVersion<V> ? never : K]?: (
    data: SchemaOf<V, Next[K & keyof Next]>,
  ) => SchemaOf<V, K>
}
type UpcastField<V> = 2 extends keyof V ? { readonly upcast: Upcasts<V> } : { readonly upcast?: never }

/** What a contract's author writes. */
export type EventDefinition<
  Name extends EventName,
  Kind extends Delivery,
  V extends VersionSchemas,
> = UpcastField<V> & {
  /** Written by hand and never changed: it is on the wire and in every group's dead letters. */
  readonly name: Name
  readonly delivery: Kind
  readonly versions: V
  /** Events of one key keep their order within an ordered subscription. Default: the event's own id, so no order. */
  readonly key?: (data: SchemaOf<V, LatestVersion<V>>) => string
  /** To publish or hand over an older version: `{ 1: (v2) => v1 }`. */
  readonly downcast?: Downcasts<V>
  /** Who may see the event live. Default: `admin` only. */
  readonly visible?: (principal: Principal, data: SchemaOf<V, LatestVersion<V>>) => boolean
  /** `false` forbids replaying it to any subscription, for events whose handling cannot be repeated. Default true. */
  readonly replayable?: boolean
  /** More than this many a second, per process, are dropped and counted. Broadcasts only. Default: no limit. */
  readonly maxPerSecond?: number
  /**
   * What a change within one version has to stand, held by `bun run contracts:check`. Default `FULL_TRANSITIVE`: producers
   * and consumers may be rolled out in either order, and every event ever kept can be read.
   */
  readonly compatibility?: Compatibility
}

/**
 * A declared event: what publishers, subscribers, the registry and the documentation share.
 *
 * `Data` is the data of the version this contract hands over, the latest one unless `at` chose another.
 */
export interface EventContract<
  Name extends string = string,
  Kind extends Delivery = Delivery,
  Data = unknown,
  V = unknown,
> {
  readonly name: Name
  readonly delivery: Kind
  /** The part of the name before its first dot; names the stream. */
  readonly domain: string
  readonly latest: number
  /** The version handlers of this contract receive. */
  readonly version: number
  readonly versions: { readonly [version: number]: TSchema }
  readonly upcast: { readonly [to: number]: (data: never) => unknown }
  readonly downcast: { readonly [to: number]: (data: never) => unknown }
  readonly replayable: boolean
  readonly maxPerSecond: number | undefined
  readonly compatibility: Compatibility
  /** The ordering key of the latest version's data, or undefined when the contract declares none. */
  keyOf(data: unknown): string | undefined
  visible(principal: Principal, data: unknown): boolean
  /**
   * The same contract handing over an older version: what arrives newer is downcast.
   *
   * @throws {EventError} `EVENT_DEFINITION_INVALID` when there is no such version or a downcast on the way is missing.
   */
  at<Version extends keyof V & number>(version: Version): EventContract<Name, Kind, SchemaOf<V, Version>, V>
  /** Carries `Data` and `V` for the compiler; never present at run time. */
  readonly '~types'?: { readonly data: Data; readonly versions: V }
}

/** A contract whose events are kept in a stream: may be published and subscribed to. */
export type StreamContract<Data = unknown> = EventContract<string, 'stream', Data>
/** A contract whose events go to whoever listens now. */
export type BroadcastContract<Data = unknown> = EventContract<string, 'broadcast', Data>

/** The data a publisher of this contract gives: always the latest version. */
export type PublishData<C> =
  C extends EventContract<string, Delivery, unknown, infer V> ? SchemaOf<V, LatestVersion<V>> : never
/** The data a handler of this contract receives. */
export type HandledData<C> = C extends EventContract<string, Delivery, infer Data, unknown> ? Data : never

const NAME = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/

function missingStep(
  versions: object,
  steps: object | undefined,
  from: number,
  to: number,
): number | undefined {
  for (let version = from; version <= to; version++) {
    if (!Object.hasOwn(versions, version) || typeof steps?.[version as keyof object] !== 'function')
      return version
  }
  return undefined
}

/**
 * Declares an event once, for both sides of the wire.
 *
 * Pure: no connection, no registration, no schema is compiled.
 *
 * @throws {EventError} `EVENT_DEFINITION_INVALID` when the name is not `domain.verb` in snake_case, versions have a
 * gap, or an upcast is missing.
 */
export function defineEvent<
  const Name extends EventName,
  const Kind extends Delivery,
  const V extends VersionSchemas,
>(definition: EventDefinition<Name, Kind, V>): EventContract<Name, Kind, SchemaOf<V, LatestVersion<V>>, V> {
  const { name, delivery, versions, key, visible, replayable = true, maxPerSecond } = definition
  const { compatibility = 'FULL_TRANSITIVE' } = definition
  const upcast = (definition.upcast ?? {}) as EventContract['upcast']
  const downcast = (definition.downcast ?? {}) as EventContract['downcast']
  const refuse = (reason: string) => new EventError('EVENT_DEFINITION_INVALID', `${name}: ${reason}`)

  if (!NAME.test(name)) throw refuse('a name is domain.verb in lower case, like user.created')
  const latest = Object.keys(versions).length
  for (let version = 1; version <= latest; version++) {
    if (!Object.hasOwn(versions, version))
      throw refuse(`versions count from 1 without gaps; ${version} is missing`)
  }
  const gap = missingStep(versions, upcast, 2, latest)
  if (gap !== undefined) throw refuse(`an upcast to version ${gap} is missing`)

  const contract = {
    name,
    delivery,
    domain: name.slice(0, name.indexOf('.')),
    latest,
    version: latest,
    versions,
    upcast,
    downcast,
    replayable,
    maxPerSecond,
    compatibility,
    keyOf: (data: unknown) => key?.(data as SchemaOf<V, LatestVersion<V>>),
    visible: (principal: Principal, data: unknown) =>
      visible ? visible(principal, data as SchemaOf<V, LatestVersion<V>>) : principal.role === 'admin',
    at(version: number) {
      if (!Object.hasOwn(versions, version)) throw refuse(`there is no version ${version}`)
      const missing = missingStep(versions, downcast, version, latest - 1)
      if (missing !== undefined) throw refuse(`a downcast to version ${missing} is missing`)
      return { ...contract, version }
    },
  }
  return contract as unknown as EventContract<Name, Kind, SchemaOf<V, LatestVersion<V>>, V>
}
