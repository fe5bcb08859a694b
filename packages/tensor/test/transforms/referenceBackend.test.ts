import { afterAll, beforeAll, describe, it } from 'vitest'
import { openReference } from '../../src/reference/openReference.js'
import { backendSuite } from '../../src/testing/suite.js'

const kit = { describe, it, beforeAll, afterAll }

backendSuite({
  ...kit,
  name: 'reference',
  open: () => openReference(),
  openLimited: (memoryLimitBytes) => openReference({ memoryLimitBytes }),
})
backendSuite({ ...kit, name: 'reference in float64', open: () => openReference({ float64: true }), graphs: 20 })
