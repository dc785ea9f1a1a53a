import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { develop } from '@kiln/shared/development'

const project = dirname(dirname(fileURLToPath(import.meta.url)))
process.exit(await develop({ project, environment: process.env }))
