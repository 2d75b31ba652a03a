//! Wall time of one decoded status reply, beside peers.

use criterion::{Criterion, criterion_group, criterion_main};
use taskward_benches::contenders;

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for contender in contenders().into_iter().filter(|one| one.group == "decode") {
        let mut once = (contender.prepare)();
        group.bench_function(contender.name, |bencher| bencher.iter(&mut once));
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
