# %% [markdown]
# # dense

# %%
print(1)
