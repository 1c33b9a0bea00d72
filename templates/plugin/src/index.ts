/** @file The quantity: what it is, in one sentence, and its source. */
import {
  defineExtension,
  definePlugin,
  type Extension,
  gradientFlow,
  type ParameterMap,
  type Plugin,
} from '@beyondgrad/autograd'
import { abs, type Tensor } from '@beyondgrad/tensor'

/** The absolute gradient of each parameter, `[...parameter.shape]`: a start. */
export function MyQuantity(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'my-quantity',
    options: {},
    flow: gradientFlow,
    parameter: ({ contribution }) => abs(contribution.sum()),
  })
}

/** What `beyondgrad … --plugin beyondgrad-my-quantity` loads. */
const plugin: Plugin = definePlugin({
  protocol: 1,
  name: 'beyondgrad-my-quantity',
  quantities: { 'my-quantity': MyQuantity },
})
export default plugin
