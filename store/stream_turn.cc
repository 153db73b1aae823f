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
const std::string& StreamTurn::principal() const { return slot_->principal; }
bool StreamTurn::read_only() const { return slot_->read_only; }
PinnedConnection* StreamTurn::pinned() const { return slot_->rest->holdings.connection.get(); }

absl::Status StreamTurn::StoreSql(int32_t id, absl::string_view text) try {
  if (!is_under_way()) return Refused().turn_is_over;
  if (slot_->rest->sql == nullptr) {
    const StreamOptions& options = registry_->options_;
    slot_->rest->sql = std::make_unique<SqlCache>(static_cast<size_t>(options.max_sql_texts),
                                                  static_cast<size_t>(options.max_sql_bytes));
  }
  return slot_->rest->sql->Store(id, text);
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

absl::StatusOr<absl::string_view> StreamTurn::LookupSql(int32_t id) const try {
  if (!is_under_way()) return Refused().turn_is_over;
  if (slot_->rest->sql == nullptr) return SqlCache(0, 0).Lookup(id);
  return slot_->rest->sql->Lookup(id);
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

bool StreamTurn::DropSql(int32_t id) {
  return is_under_way() && slot_->rest->sql != nullptr && slot_->rest->sql->Drop(id);
}

absl::Status StreamTurn::SetCapture(std::unique_ptr<Capture> capture) {
  if (!is_under_way()) return Refused().turn_is_over;
  MutexLock lock(slot_->mu);
  if (slot_->rest->holdings.capture != nullptr) return Refused().has_capture;
  slot_->rest->holdings.capture = std::move(capture);
  return absl::OkStatus();
}

bool StreamTurn::HasCapture() const {
  if (!is_under_way()) return false;
  MutexLock lock(slot_->mu);
  return slot_->rest->holdings.capture != nullptr;
}

std::unique_ptr<Capture> StreamTurn::TakeCapture() {
  if (!is_under_way()) return nullptr;
  MutexLock lock(slot_->mu);
  return std::move(slot_->rest->holdings.capture);
}

}  // namespace batonstore
