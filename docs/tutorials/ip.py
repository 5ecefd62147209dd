# %% [markdown]
# # ip

# %%
print(1)
