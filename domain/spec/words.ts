/** Words of the names that services get when none is given. */

export const adjectives =
  `able airy amber ample apt astute balanced bold brave bright brisk calm candid careful cheerful clear clever
   cordial cosy crisp curious daring deft diligent eager earnest easy even fair fearless fleet fluent frank fresh
   gallant generous gentle glad golden graceful handy happy hardy hearty helpful humble inventive jolly keen kind
   lively loyal lucid lucky mellow merry mild modest neat nimble noble open patient placid plucky polite precise
   prompt proud quick quiet ready robust serene sharp silver simple sincere smart smooth snug sober solid spry
   stable steady subtle sunny sure swift tidy tranquil trusty upbeat valiant vivid warm wise witty zesty`.split(
    /\s+/,
  );

/** People of mathematics, computing, networks and the sciences. */
export const surnames =
  `abel agnesi allen ampere archimedes bardeen bell berners bernoulli bohr boole borg cantor carson cauchy cerf
   church codd coulomb cray curie dahl dijkstra diophantus dirac einstein engelbart erdos erlang euclid euler
   faraday fermat fermi feynman floyd fourier franklin galilei galois gauss germain goedel goldberg goodall granville
   gray hamilton hamming heisenberg henson hertz hewitt hilbert hoare hopper huffman hypatia johnson kahn kay kepler
   kernighan kleene knuth kolmogorov kovalevskaya lagrange lamarr lamport laplace leibniz liskov lovelace lovell
   maxwell mccarthy meitner mendel milner minsky nash naur newton noether nygaard ohm ostrom pascal pauling perlman
   planck poincare postel ramanujan riemann ritchie rivest rosalind sagan shannon sinclair stallman tarjan tesla
   thompson turing virtanen volta wilkes wirth wozniak yalow yonath zuse`.split(/\s+/);
