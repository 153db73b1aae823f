#include "batonstore/store/stream_turn.h"

#include <new>
#include <utility>

#include "batonstore/crypto/baton.h"
#include "batonstore/store/stream_refusals.h"
#include "batonstore/store/stream_registry.h"
#include "batonstore/store/stream_slots.h"

namespace batonstore {

StreamTurn::StreamTurn(StreamTurn&& other) noexcept
    : registry_(other.registry_),
      slot_(std::exchange(other.slot_, nullptr)),
      id_(other.id_),
      next_generation_(other.next_generation_),
      next_(std::move(other.next_)) {}

StreamTurn& StreamTurn::operator=(StreamTurn&& other) noexcept {
  if (this == &other) return *this;
  if (is_under_way()) Close().IgnoreError();
  registry_ = other.registry_;
  slot_ = std::exchange(other.slot_, nullptr);
  id_ = other.id_;
  next_generation_ = other.next_generation_;
  next_ = std::move(other.next_);
  return *this;
}

StreamTurn::~StreamTurn() {
  if (is_under_way()) Close().IgnoreError();
}

absl::Status StreamTurn::MintNext() try {
  if (!is_under_way()) return Refused().turn_is_over;
  if (!next_.empty()) return absl::OkStatus();
  if (next_generation_ >= registry_->options_.max_batons) return Refused().worn_out;
  next_ =
      registry_->host_.Ring().Mint({BatonKind::kStream, id_, next_generation_, registry_->epoch_});
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

absl::StatusOr<std::string> StreamTurn::PeekBaton() try {
  if (absl::Status minted = MintNext(); !minted.ok()) return minted;
  return next_;
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

absl::StatusOr<std::string> StreamTurn::Finish() {
  absl::Status handed_on = MintNext();
  if (handed_on.ok()) handed_on = registry_->HandOn(*slot_, next_);
  if (!handed_on.ok()) {
    if (is_under_way()) Close().IgnoreError();
    return handed_on;
  }
  slot_ = nullptr;
  return std::move(next_);
}

absl::Status StreamTurn::Close() {
  if (!is_under_way()) return Refused().turn_is_over;
  return registry_->EndTurn(*std::exchange(slot_, nullptr));
}

const std::string& StreamTurn::database() const { return *slot_->database; }
absl::string_view StreamTurn::principal() const { return slot_->Principal(); }
bool StreamTurn::read_only() const { return slot_->read_only; }
PinnedConnection* StreamTurn::pinned() const { return slot_->holdings->connection.get(); }

// Those of the stream, which have to be there now. May throw std::bad_alloc.
StreamExtras& StreamTurn::Extras() {
  if (slot_->extras == nullptr) {
    auto extras = std::make_unique<StreamExtras>();
    MutexLock lock(slot_->mu);
    slot_->extras = std::move(extras);
  }
  return *slot_->extras;
}

SqlCache* StreamTurn::Sql() const {
  return slot_->extras == nullptr ? nullptr : slot_->extras->sql.get();
}

absl::Status StreamTurn::StoreSql(int32_t id, absl::string_view text) try {
  if (!is_under_way()) return Refused().turn_is_over;
  StreamExtras& extras = Extras();
  if (extras.sql == nullptr) {
    const StreamOptions& options = registry_->options_;
    extras.sql = std::make_unique<SqlCache>(static_cast<size_t>(options.max_sql_texts),
                                            static_cast<size_t>(options.max_sql_bytes));
  }
  return extras.sql->Store(id, text);
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

absl::StatusOr<absl::string_view> StreamTurn::LookupSql(int32_t id) const try {
  if (!is_under_way()) return Refused().turn_is_over;
  const SqlCache* const sql = Sql();
  return sql == nullptr ? SqlCache(0, 0).Lookup(id) : sql->Lookup(id);
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

bool StreamTurn::DropSql(int32_t id) {
  return is_under_way() && Sql() != nullptr && Sql()->Drop(id);
}

absl::Status StreamTurn::SetCapture(std::unique_ptr<Capture> capture) try {
  if (!is_under_way()) return Refused().turn_is_over;
  StreamExtras& extras = Extras();
  MutexLock lock(slot_->mu);
  if (extras.capture != nullptr) return Refused().has_capture;
  extras.capture = std::move(capture);
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

bool StreamTurn::HasCapture() const {
  if (!is_under_way()) return false;
  MutexLock lock(slot_->mu);
  return slot_->extras != nullptr && slot_->extras->capture != nullptr;
}

std::unique_ptr<Capture> StreamTurn::TakeCapture() {
  if (!is_under_way()) return nullptr;
  MutexLock lock(slot_->mu);
  return slot_->extras == nullptr ? nullptr : std::move(slot_->extras->capture);
}

}  // namespace batonstore
