import { startEnvoyStandIn } from '@/tests/helpers/http/envoyStandIn';
import { describeGateway } from '@/tests/helpers/http/gatewaySuite';
import { startTraefikStandIn } from '@/tests/helpers/http/traefikStandIn';

describeGateway({
  name: 'a stand-in of Envoy that reads the example, and not Envoy itself,',
  start: startEnvoyStandIn,
});

describeGateway({
  name: 'a stand-in of Traefik that reads the example, and not Traefik itself,',
  start: startTraefikStandIn,
});
