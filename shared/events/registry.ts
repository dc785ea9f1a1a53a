import type { TSchema } from '@sinclair/typebox'
import { EventError } from './errors.ts'
import type { EventContract } from './event.ts'
import { versionName } from './versions.ts'

/** Every event a service knows, by name. */
export interface Registry<C extends EventContract = EventContract> {
  readonly contracts: readonly C[]
  readonly names: readonly C['name'][]
  /** @throws {EventError} `EVENT_UNKNOWN`; a literal name that is not registered does not compile. */
  get<Name extends C['name']>(name: Name): Extract<C, { readonly name: Name }>
  /** For names from outside: undefined when unknown. */
  find(name: string): C | undefined
  /** JSON Schema (draft 2020-12) of every version, keyed `<name>.v<version>`, ready to be written to a file. */
  jsonSchemas(): Readonly<Record<string, object>>
}

function jsonSchema(contract: EventContract, version: number, schema: TSchema): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: versionName(contract, version),
    title: `${contract.name} version ${version}`,
    ...(JSON.parse(JSON.stringify(schema)) as object),
  }
}

/**
 * Collects contracts.
 *
 * @throws {EventError} `EVENT_DEFINITION_INVALID` when two of them share a name.
 */
export function createRegistry<const C extends EventContract>(contracts: readonly C[]): Registry<C> {
  const byName = new Map<string, C>()
  for (const contract of contracts) {
    if (byName.has(contract.name)) {
      throw new EventError('EVENT_DEFINITION_INVALID', `${contract.name} is declared twice`)
    }
    byName.set(contract.name, contract)
  }
  return {
    contracts,
    names: [...byName.keys()],
    find: (name) => byName.get(name),
    get<Name extends C['name']>(name: Name) {
      const contract = byName.get(name)
      if (!contract) throw new EventError('EVENT_UNKNOWN', `no event is named ${name}`)
      return contract as Extract<C, { readonly name: Name }>
    },
    jsonSchemas() {
      const schemas: Record<string, object> = {}
      for (const contract of contracts) {
        for (const [version, schema] of Object.entries(contract.versions)) {
          schemas[versionName(contract, Number(version))] = jsonSchema(contract, Number(version), schema)
        }
      }
      return schemas
    },
  }
}
